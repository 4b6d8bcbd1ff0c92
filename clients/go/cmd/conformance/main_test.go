// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
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
	server := serverprocess.Start(t, serverprocess.NewRepository(t), 0)
	for _, protocol := range []string{"binary", "compact"} {
		t.Run(protocol, func(t *testing.T) {
			var output bytes.Buffer
			failed, err := run([]string{"--cases", casesPath(t), "--protocol", protocol,
				"--endpoint", server.Endpoint()}, &output)
			if err != nil {
				t.Fatal(err)
			}
			if failed > 0 || !strings.Contains(output.String(), " passed, 0 failed\n") {
				t.Errorf("%d cases failed:\n%s", failed, output.String())
			}
		})
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
		{"--transport", "unframed"},
		{"--cases", "none.json"},
		{"--cases", casesPath(t), "--endpoint", "nowhere"},
		{"--cases", casesPath(t), "--endpoint", "h:1", "--protocol", "json"},
	} {
		if _, err := run(arguments, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was accepted", arguments)
		}
	}
}
