// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"net"
	"strings"
	"testing"

	"github.com/thriftscore/thriftscore/clients/go/internal/serverprocess"
)

// The model "linear" has three features: the server refuses the probe's two by name.
func TestProbeSaysHowEveryCallEnded(t *testing.T) {
	server := serverprocess.Start(t, serverprocess.NewRepository(t), 0)
	for expected, arguments := range map[string][]string{
		"INVALID_ARGUMENT": {"--endpoints", server.Endpoint(), "--model", "linear"},
		"MODEL_NOT_FOUND":  {"--endpoints", server.Endpoint(), "--model", "nope"},
		"ConnectFailed":    {"--endpoints", closedEndpoint(t), "--model", "m", "--attempts", "1"},
	} {
		lines := probeLines(t, append(arguments, "--calls", "5", "--callers", "2", "--each",
			"--pipelined", "0", "--expect-sum"))
		if len(lines) != 6 {
			t.Fatalf("%s: %d lines", expected, len(lines))
		}
		var one line
		var sum summary
		if err := json.Unmarshal([]byte(lines[0]), &one); err != nil || one.OK || one.Correct ||
			one.Outcome != expected || one.Attempts != 1 || one.Message == "" {
			t.Errorf("%s: %s, %v", expected, lines[0], err)
		}
		if err := json.Unmarshal([]byte(lines[5]), &sum); err != nil || sum.Calls != 5 ||
			sum.Failed != 5 || sum.Attempts != 5 || sum.Outcomes[expected] != 5 {
			t.Errorf("%s: %s, %v", expected, lines[5], err)
		}
	}
}

func TestProbeRunsForAsLongAsItIsTold(t *testing.T) {
	server := serverprocess.Start(t, serverprocess.NewRepository(t), 0)
	lines := probeLines(t, []string{"--endpoints", server.Endpoint(), "--model", "linear",
		"--seconds", "0.05"})
	var sum summary
	if err := json.Unmarshal([]byte(lines[0]), &sum); err != nil || sum.Calls < 1 {
		t.Errorf("%s, %v", lines[0], err)
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, arguments := range [][]string{
		{"--endpoints", "h:1"},
		{"--endpoints", "nowhere", "--calls", "1"},
		{"--endpoints", "h:1", "--calls", "1", "--callers", "257"},
		{"--endpoints", "h:1", "--calls", "1", "--timeout-ms", "0"},
	} {
		if err := run(arguments, &bytes.Buffer{}); err == nil {
			t.Errorf("%q was accepted", arguments)
		}
	}
}

func closedEndpoint(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func probeLines(t *testing.T, arguments []string) []string {
	t.Helper()
	var output bytes.Buffer
	if err := run(arguments, &output); err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(output.String()), "\n")
}
