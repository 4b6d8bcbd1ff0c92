// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// names answers lookups with what it was last told.
type names struct{ hosts atomic.Pointer[[]string] }

func (n *names) set(hosts ...string) { n.hosts.Store(&hosts) }

func (n *names) lookup(context.Context, string) ([]string, error) {
	hosts := *n.hosts.Load()
	if len(hosts) == 0 {
		return nil, errors.New("no such host")
	}
	return hosts, nil
}

func TestNameStandsForAllItsAddressesAndIsLookedUpAgain(t *testing.T) {
	var known names
	known.set("192.0.2.1", "192.0.2.2")
	options, err := Options{LookupHost: known.lookup}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	found, err := newResolver([]string{"scores.example:9090", "198.51.100.7:1"}, options)
	if err != nil {
		t.Fatal(err)
	}
	before := expectBackends(t, found, "198.51.100.7:1", "scores.example:9090 (192.0.2.1)",
		"scores.example:9090 (192.0.2.2)")
	known.set("192.0.2.2", "192.0.2.3")
	<-found.begin()
	after := expectBackends(t, found, "198.51.100.7:1", "scores.example:9090 (192.0.2.2)",
		"scores.example:9090 (192.0.2.3)")
	if after[1] != before[2] {
		t.Error("an address that stayed lost what was known of it")
	}
	_, err = before[1].pool.acquire(context.Background(), limits{})
	if !errors.Is(err, errWithdrawn) {
		t.Errorf("an address that is gone still takes calls: %v", err)
	}
	known.set()
	<-found.begin()
	expectBackends(t, found, "198.51.100.7:1", "scores.example:9090 (192.0.2.2)",
		"scores.example:9090 (192.0.2.3)")
}

func expectBackends(t *testing.T, found *resolver, expected ...string) []*backend {
	t.Helper()
	backends, err := found.backends(context.Background(), time.Now().Add(schedulingSlack))
	if err != nil {
		t.Fatal(err)
	}
	received := map[string]bool{}
	for _, each := range backends {
		received[each.name] = true
	}
	for _, name := range expected {
		if !received[name] || len(received) != len(expected) {
			t.Fatalf("expected %q, received %v", expected, received)
		}
	}
	return backends
}

func TestCallsFollowAName(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	_, port, err := net.SplitHostPort(server.endpoint())
	if err != nil {
		t.Fatal(err)
	}
	var known names
	known.set("192.0.2.1") // where nobody answers
	client := newClient(t, "scores.example:"+port, Options{
		Timeout: schedulingSlack, ConnectTimeout: time.Millisecond, AttemptsMax: 1,
		ResolveInterval: 5 * time.Millisecond, LookupHost: known.lookup,
	})
	if err := callEcho(client); !errors.Is(err, ErrConnectFailed) {
		t.Fatalf("expected ErrConnectFailed, received %v", err)
	}
	known.set("127.0.0.1")
	waitUntil(t, "calls go to the new address", func() bool { return callEcho(client) == nil })
}

func TestNameThatCannotBeLookedUpIsAConnectFailure(t *testing.T) {
	var known names
	known.set()
	client := newClient(t, "scores.example:9090", Options{
		Timeout: schedulingSlack, LookupHost: known.lookup,
	})
	err := callEcho(client)
	expectTransportError(t, err, "connect", ErrConnectFailed)
	if !strings.Contains(err.Error(), "no such host") {
		t.Errorf("the reason is missing: %v", err)
	}
}

func TestNameOfThisMachineIsOneServer(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	_, port, err := net.SplitHostPort(server.endpoint())
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, "localhost:"+port, Options{Timeout: schedulingSlack, AttemptsMax: 1})
	for value := range 5 {
		expectEcho(t, client, float64(value))
	}
	if count := client.resolver.count(); count != 1 {
		t.Errorf("expected 1 server, there are %d", count)
	}
}
