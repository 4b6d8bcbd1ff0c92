// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/thriftscore/thriftscore/clients/go"
)

// pipelinedCallers make the calls of a pipelined combination, on one connection.
const pipelinedCallers = 8

// combination is a way to reach the server: framed, unframed or header; binary or compact; sync, a
// call at a time, or pipelined.
type combination struct {
	transport, protocol, style string
	label                      string // before the name of a case
}

var protocols = map[string]thriftscore.Protocol{
	"binary": thriftscore.Binary, "compact": thriftscore.Compact,
}

var transports = map[string]thriftscore.Transport{
	"framed": thriftscore.Framed, "unframed": thriftscore.Unframed, "header": thriftscore.Header,
}

var callersOfStyle = map[string]int{"sync": 1, "pipelined": pipelinedCallers}

func parseCombinations(list string) []combination {
	var parsed []combination
	for _, text := range strings.Split(list, ",") {
		parts := append(strings.Split(text, "/"), "", "")
		parsed = append(parsed, combination{parts[0], parts[1], parts[2], text + " "})
	}
	return parsed
}

// options are those of a client with one connection.
func (c combination) options() (thriftscore.Options, error) {
	protocol, isProtocol := protocols[c.protocol]
	transport, isTransport := transports[c.transport]
	callers, isStyle := callersOfStyle[c.style]
	if !isProtocol || !isTransport || !isStyle {
		return thriftscore.Options{}, fmt.Errorf(
			"expected framed|unframed|header, binary|compact and sync|pipelined, received %s/%s/%s",
			c.transport, c.protocol, c.style)
	}
	return thriftscore.Options{
		Timeout:               callTimeout,
		Protocol:              protocol,
		Transport:             transport,
		CallsPerConnectionMax: callers,
		ConnectionsMax:        1,
	}, nil
}

// run runs the cases on one client and returns a line for each, in their order. Those of the
// generated code, which has one way to call, are run in style sync only.
func (c combination) run(endpoint string, cases []testCase) ([]string, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	client, err := thriftscore.New(endpoint, options)
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }()
	callers := map[string]caller{"client": clientCaller{client}.call}
	if c.style == "sync" {
		wire := newWireCaller(endpoint, c)
		defer func() { _ = wire.close() }()
		callers["wire"] = wire.call
	} else {
		cases = viaClient(cases)
	}
	lines := make([]string, len(cases))
	numbers := make(chan int)
	var running sync.WaitGroup
	for range callersOfStyle[c.style] {
		running.Go(func() {
			for number := range numbers {
				lines[number] = cases[number].line(c.label, callers)
			}
		})
	}
	for number := range cases {
		numbers <- number
	}
	close(numbers)
	running.Wait()
	return lines, nil
}

func viaClient(cases []testCase) []testCase {
	var kept []testCase
	for _, test := range cases {
		if test.Via == "client" {
			kept = append(kept, test)
		}
	}
	return kept
}

// line runs a case and says how it ended.
func (t testCase) line(label string, callers map[string]caller) string {
	if problem := t.run(callers); problem != "" {
		return fmt.Sprintf("FAIL %s%s: %s", label, t.Name, problem)
	}
	return fmt.Sprintf("PASS %s%s", label, t.Name)
}
