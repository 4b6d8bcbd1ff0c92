// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"
)

// waitUntil waits for a condition that must come true.
func waitUntil(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(schedulingSlack); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// groupServer answers calls in groups, each in reverse order: only a client that sends the next
// call before it has the reply to the last one gets an answer at all.
func groupServer(t *testing.T, size int) string {
	t.Helper()
	return serveConnections(t, func(connection net.Conn) {
		for {
			var replies [][]byte
			for range size {
				request, err := readFrame(connection)
				if err != nil {
					return
				}
				replies = append(replies, echoReply(request))
			}
			slices.Reverse(replies)
			if _, err := connection.Write(slices.Concat(replies...)); err != nil {
				return
			}
		}
	})
}

// serveConnections lets a function serve each connection until the test ends.
func serveConnections(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = connection.Close() }()
				serve(connection)
			}()
		}
	}()
	return listener.Addr().String()
}

// echoReply is the framed answer to a call of ScoreValues with one value.
func echoReply(request []byte) []byte {
	parsed, _ := parseHead(request, Binary)
	// The value is the last but the stop of the arguments; a list of one double is the result.
	value := request[len(request)-9 : len(request)-1]
	body := append([]byte{15, 0, 0, 4, 0, 0, 0, 1}, value...)
	return frame(headed("score_values", 2, parsed.sequence, append(body, 0)))
}

func TestCallsAreOnTheirWayTogetherOnOneConnection(t *testing.T) {
	const together = 8
	endpoint := groupServer(t, together)
	client := newClient(t, endpoint, Options{Timeout: schedulingSlack, ConnectionsMax: 1})
	var running sync.WaitGroup
	for caller := range together {
		running.Go(func() {
			for call := range 100 {
				value := float64(caller*1000 + call)
				scores, err := client.ScoreValues(context.Background(), "echo", []float64{value})
				if err != nil || len(scores) != 1 || scores[0] != value {
					t.Errorf("call %v received %v, %v", value, scores, err)
				}
			}
		})
	}
	running.Wait()
}

func TestPoolIsBounded(t *testing.T) {
	const connections = 3
	server := newScriptedServer(t, &echo{})
	client := newClient(t, server.endpoint(), Options{
		Timeout: time.Minute, CallsPerConnectionMax: 1, ConnectionsMax: connections,
	})
	var running sync.WaitGroup
	for caller := range 16 {
		running.Go(func() {
			for call := range 30 {
				expectEcho(t, client, float64(caller*1000+call))
			}
		})
	}
	running.Wait()
	if accepted := server.connections(); accepted > connections {
		t.Errorf("expected %d connections at most, the server accepted %d", connections, accepted)
	}
}

// A call that times out takes no other with it: those on its connection are answered, and the
// connection is closed only then.
func TestTimeoutLeavesOtherCallsOfTheConnection(t *testing.T) {
	both := make(chan struct{})
	endpoint := serveConnections(t, func(connection net.Conn) {
		var requests [][]byte
		for {
			request, err := readFrame(connection)
			if err != nil {
				return
			}
			requests = append(requests, request)
			if len(requests) == 2 {
				<-both // the first has timed out
				_, _ = connection.Write(slices.Concat(echoReply(requests[0]),
					echoReply(requests[1])))
			}
			if len(requests) > 2 {
				t.Error("a connection got a call after another one on it had timed out")
			}
		}
	})
	client := newClient(t, endpoint, Options{
		Timeout: schedulingSlack, ConnectionsMax: 1, AttemptsMax: 1,
	})
	first := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), callDeadline)
	defer cancel()
	go func() {
		_, err := client.ScoreValues(ctx, "echo", []float64{1})
		first <- err
		close(both)
	}()
	waitUntil(t, "the first call is sent", func() bool { return busyConnections(client) == 1 })
	expectEcho(t, client, 2)
	expectTransportError(t, <-first, "read", ErrTimedOut)
	waitUntil(t, "the connection is closed", func() bool { return allConnections(client) == 0 })
}

// busyConnections is how many connections of the first server have calls.
func busyConnections(client *Client) int {
	return countConnections(client, func(each *connection) bool { return each.outstanding > 0 })
}

// allConnections is how many connections the first server has.
func allConnections(client *Client) int {
	return countConnections(client, func(*connection) bool { return true })
}

func countConnections(client *Client, isCounted func(*connection) bool) int {
	current := client.resolver.current.Load()
	if current == nil {
		return 0
	}
	pool := (*current)[0].pool
	pool.mutex.Lock()
	defer pool.mutex.Unlock()
	count := 0
	for _, each := range pool.connections {
		if isCounted(each) {
			count++
		}
	}
	for each := range pool.leaving {
		if isCounted(each) {
			count++
		}
	}
	return count
}

// The one that reads for all may be the one that gives up.
func TestCancelOfOneCallLeavesTheOthers(t *testing.T) {
	const callers = 8
	proceed := make(chan struct{})
	endpoint := serveConnections(t, func(connection net.Conn) {
		var replies []byte
		for range callers {
			request, err := readFrame(connection)
			if err != nil {
				return
			}
			replies = append(replies, echoReply(request)...)
		}
		<-proceed
		_, _ = connection.Write(replies)
		_, _ = readFrame(connection)
	})
	client := newClient(t, endpoint, Options{
		Timeout: schedulingSlack, ConnectionsMax: 1, AttemptsMax: 1,
	})
	contexts := make([]context.Context, callers)
	cancels := make([]context.CancelFunc, callers)
	outcomes := make(chan error, callers)
	for caller := range callers {
		contexts[caller], cancels[caller] = context.WithCancel(context.Background())
		defer cancels[caller]()
		go func() {
			value := float64(caller)
			scores, err := client.ScoreValues(contexts[caller], "echo", []float64{value})
			if err == nil && scores[0] != value {
				t.Errorf("call %v received %v", value, scores)
			}
			outcomes <- err
		}()
		waitUntil(t, "the call is sent", func() bool { return waitingCalls(client) == caller+1 })
	}
	for caller := range callers / 2 {
		cancels[caller]()
		if err := <-outcomes; !errors.Is(err, context.Canceled) {
			t.Errorf("expected context.Canceled, received %v", err)
		}
	}
	close(proceed)
	for range callers / 2 {
		if err := <-outcomes; err != nil {
			t.Errorf("a call that was not cancelled failed: %v", err)
		}
	}
}

func waitingCalls(client *Client) int {
	count := 0
	countConnections(client, func(each *connection) bool {
		each.mutex.Lock()
		defer each.mutex.Unlock()
		for _, one := range each.waiting {
			if one.isAwaiting {
				count++
			}
		}
		return true
	})
	return count
}

func TestIdleConnectionIsClosed(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	client := newClient(t, server.endpoint(), Options{
		Timeout: schedulingSlack, IdleTimeout: 20 * time.Millisecond,
	})
	expectEcho(t, client, 1)
	waitUntil(t, "the server sees the connection closed", func() bool {
		server.mutex.Lock()
		defer server.mutex.Unlock()
		return len(server.open) == 0
	})
	expectEcho(t, client, 2)
}

func TestOldConnectionIsReplaced(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	client := newClient(t, server.endpoint(), Options{
		Timeout: schedulingSlack, ConnectionAgeMax: 20 * time.Millisecond,
	})
	value := 0.0
	waitUntil(t, "calls went over several connections", func() bool {
		value++
		expectEcho(t, client, value)
		return server.connections() >= 3
	})
}
