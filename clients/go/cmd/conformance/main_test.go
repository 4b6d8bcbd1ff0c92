// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thriftscore/thriftscore/clients/go/internal/serverprocess"
)

func casesPath(t *testing.T) string {
	t.Helper()
	return filepath.Join(serverprocess.Root(t), "tests", "conformance", "cases.json")
}

func TestClientPassesAllCases(t *testing.T) {
	transportsOf := map[serverprocess.IO][]string{
		serverprocess.Native: {"framed", "unframed", "header"},
		serverprocess.Python: {"framed"},
	}
	for io, transports := range transportsOf {
		t.Run(string(io), func(t *testing.T) {
			server := serverprocess.StartIO(t, serverprocess.NewRepository(t), 0, io)
			passAllCases(t, server.Endpoint(), combine(transports))
		})
	}
}

func combine(transports []string) []string {
	var combinations []string
	for _, transport := range transports {
		for protocol := range protocols {
			for style := range callersOfStyle {
				combinations = append(combinations,
					fmt.Sprintf("%s/%s/%s", transport, protocol, style))
			}
		}
	}
	return combinations
}

func passAllCases(t *testing.T, endpoint string, combinations []string) {
	t.Helper()
	var output bytes.Buffer
	failed, err := run([]string{"--cases", casesPath(t), "--endpoint", endpoint,
		"--combinations", strings.Join(combinations, ",")}, &output)
	if err != nil {
		t.Fatal(err)
	}
	if failed > 0 || !strings.Contains(output.String(), " passed, 0 failed\n") {
		t.Errorf("%d cases failed:\n%s", failed, output.String())
	}
	for _, combination := range combinations {
		if !strings.Contains(output.String(), "PASS "+combination+" ping\n") {
			t.Errorf("%s was not run:\n%s", combination, output.String())
		}
	}
}

// Every case with a result must be able to fail: compared with nothing it does.
func TestEveryResultIsCompared(t *testing.T) {
	cases, err := readCases(casesPath(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range cases {
		problem := compareResult(test.Expect, map[string]any{})
		if _, expectsError := test.Expect["error"]; expectsError {
			problem = compareError(test.Expect, nil, nil)
		}
		if problem == "" {
			t.Errorf("%s passes without a result", test.Name)
		}
	}
}

func TestEveryWireCaseFillsItsArguments(t *testing.T) {
	cases, err := readCases(casesPath(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range cases {
		if test.Via != "wire" {
			continue
		}
		if _, err := toArguments(blank(methods[test.Method].arguments), test.Args); err != nil {
			t.Errorf("%s: %v", test.Name, err)
		}
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, arguments := range [][]string{
		{"--cases", casesPath(t), "--endpoint", "h:1", "--transport", "http"},
		{"--cases", casesPath(t), "--endpoint", "h:1", "--combinations", "framed/binary/async"},
		{"--cases", casesPath(t), "--endpoint", "h:1", "--combinations", "framed"},
		{"--cases", "none.json"},
		{"--cases", casesPath(t), "--endpoint", "nowhere"},
		{"--cases", casesPath(t), "--endpoint", "h:1", "--protocol", "json"},
	} {
		if _, err := run(arguments, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was accepted", arguments)
		}
	}
}
