// SPDX-License-Identifier: Apache-2.0

// Command conformance runs the conformance cases of the project against a server, through the Go
// client and through the generated code. It prints one line a case and exits with 0 only if all
// passed.
//
//	conformance --cases cases.json --endpoint 127.0.0.1:9090 [--protocol binary|compact]
//	            [--transport framed|unframed|header] [--combinations framed/binary/pipelined,…]
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// callTimeout bounds a call whose case names no deadline.
const callTimeout = 10 * time.Second

// testCase is a case of cases.json. The README beside that file describes it.
type testCase struct {
	Name   string
	Via    string
	Method string
	Args   map[string]any
	Expect map[string]any
}

// caller makes the call of a case and returns its result in the form of `expect`.
type caller func(ctx context.Context, method string, args map[string]any) (map[string]any, error)

func main() {
	failed, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
	if failed > 0 {
		os.Exit(1)
	}
}

// run runs the cases in every combination, and returns how many failed.
func run(arguments []string, output io.Writer) (failed int, err error) {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	path := flags.String("cases", "", "the file of the cases")
	endpoint := flags.String("endpoint", "", "host:port or unix:/path of the server")
	list := flags.String("combinations", "", "transport/protocol/style, separated by commas")
	protocol := flags.String("protocol", "binary", "of the one combination, if none is listed")
	transport := flags.String("transport", "framed", "of the one combination, if none is listed")
	if err := flags.Parse(arguments); err != nil {
		return 0, err
	}
	combinations := []combination{{*transport, *protocol, "sync", ""}}
	if *list != "" {
		combinations = parseCombinations(*list)
	}
	cases, err := readCases(*path)
	if err != nil {
		return 0, err
	}
	passed := 0
	for _, on := range combinations {
		lines, err := on.run(*endpoint, cases)
		if err != nil {
			return 0, err
		}
		for _, line := range lines {
			if strings.HasPrefix(line, "PASS") {
				passed++
			} else {
				failed++
			}
			fmt.Fprintln(output, line)
		}
	}
	fmt.Fprintf(output, "%d passed, %d failed\n", passed, failed)
	return failed, nil
}

// readCases reads the cases; numbers stay text, so that no bit of an integer is lost.
func readCases(path string) ([]testCase, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	decoder := json.NewDecoder(file)
	decoder.UseNumber()
	var cases []testCase
	if err := decoder.Decode(&cases); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("%s holds no cases", path)
	}
	return cases, nil
}

// run makes the call and returns what is wrong with its outcome; empty if nothing is.
func (t testCase) run(callers map[string]caller) string {
	call, known := callers[t.Via]
	if !known {
		return fmt.Sprintf("via must be client or wire, received %q", t.Via)
	}
	actual, err := call(context.Background(), t.Method, t.Args)
	if _, expectsError := t.Expect["error"]; expectsError {
		return compareError(t.Expect, actual, err)
	}
	if err != nil {
		return "unexpected error: " + err.Error()
	}
	return compareResult(t.Expect, actual)
}
