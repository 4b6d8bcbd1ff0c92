// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// lateServer answers each call when it is told to, and counts the connections with calls.
type lateServer struct {
	endpoint string
	proceed  chan struct{} // has a token for each answer
	used     atomic.Int64
	calls    atomic.Int64
}

func newLateServer(t *testing.T) *lateServer {
	t.Helper()
	server := &lateServer{proceed: make(chan struct{}, 1000)}
	server.endpoint = serveConnections(t, func(connection net.Conn) {
		for isUsed := false; ; isUsed = true {
			request, err := readFrame(connection)
			if err != nil {
				return
			}
			if !isUsed {
				server.used.Add(1)
			}
			server.calls.Add(1)
			<-server.proceed
			if _, err := connection.Write(echoReply(request)); err != nil {
				return
			}
		}
	})
	t.Cleanup(func() { close(server.proceed) })
	return server
}

func TestCallThatTakesLongIsAnsweredByAnotherServer(t *testing.T) {
	late, quick := newLateServer(t), newScriptedServer(t, &echo{})
	client := newClient(t, late.endpoint+","+quick.endpoint(), Options{
		Timeout: schedulingSlack, Hedging: true, HedgeDelay: time.Millisecond,
		ConnectionsMax: 1,
	})
	value := 0.0
	for late.calls.Load() == 0 {
		value++
		expectEcho(t, client, value)
	}
	// The reply that comes too late is dropped, and its connection goes on.
	for range 10 {
		late.proceed <- struct{}{}
	}
	first := (*client.resolver.current.Load())[0]
	waitUntil(t, "the server that was late answers on the same connection", func() bool {
		value++
		expectEcho(t, client, value)
		first.mutex.Lock()
		defer first.mutex.Unlock()
		return first.latency > 0
	})
	if used := late.used.Load(); used != 1 {
		t.Errorf("expected 1 connection, calls came on %d", used)
	}
}

func TestHedgesCostTheBudget(t *testing.T) {
	client := newClient(t, "192.0.2.1:1,192.0.2.2:1", Options{Hedging: true})
	backends := *client.resolver.current.Load()
	sent := &run{call: &call{}, deadline: time.Now().Add(time.Hour)}
	sent.visit(backends[0])
	client.budget.tokens.Store(tokenPrice)
	hedged, isFound := client.chooseHedge(context.Background(), sent)
	if !isFound || hedged.to != backends[1] || client.budget.tokens.Load() != 0 {
		t.Errorf("hedged at %v, %d tokens are left", hedged.to, client.budget.tokens.Load())
	}
	if _, isFound = client.chooseHedge(context.Background(), sent); isFound {
		t.Error("hedged without a token")
	}
}

func TestHedgeDelayIsTheQuantileOfLatencies(t *testing.T) {
	known := newLatencies(true)
	if known.delay() >= 0 {
		t.Error("a delay is known without calls")
	}
	for number := range 100 {
		known.add(time.Duration(number) * time.Millisecond)
	}
	if delay := known.delay(); delay < 85*time.Millisecond || delay > 95*time.Millisecond {
		t.Errorf("the quantile is %v", delay)
	}
}

func TestHedgedCallIsRetriedIfBothAttemptsFail(t *testing.T) {
	first, second := newScriptedServer(t, &echo{}, hangUp), newScriptedServer(t, &echo{}, hangUp)
	var attempts attemptLog
	client := newClient(t, first.endpoint()+","+second.endpoint(), Options{
		Timeout: schedulingSlack, Hedging: true, HedgeDelay: time.Hour,
		Observer: attempts.observer(),
	})
	expectEcho(t, client, 1)
	if count := attempts.count(); count != 3 {
		t.Errorf("%d attempts: %+v", count, attempts.reports)
	}
}
