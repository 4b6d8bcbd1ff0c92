// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

func TestDeclaredErrorKeepsItsFieldsAndTheConnection(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
	_, err := client.ScoreValues(context.Background(), "nope", []float64{1})
	var answer *ServerError
	if !errors.As(err, &answer) || !errors.Is(err, ErrModelNotFound) {
		t.Fatalf("expected a ServerError with MODEL_NOT_FOUND, received %v", err)
	}
	expected := ServerError{
		Code:       idl.ErrorCode_MODEL_NOT_FOUND,
		Message:    "no model nope",
		RetryAfter: 250 * time.Millisecond,
		Endpoint:   server.endpoint(),
		Method:     "score_values",
		Model:      "nope",
		Attempts:   1,
	}
	if *answer != expected {
		t.Errorf("expected %+v, received %+v", expected, *answer)
	}
	if errors.Is(err, ErrInvalidArgument) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it is also another error: %v", err)
	}
	expectEcho(t, client, 1)
	if accepted := server.connections(); accepted != 1 {
		t.Errorf("expected 1 connection, the server accepted %d", accepted)
	}
}

func TestEveryCodeHasItsSentinel(t *testing.T) {
	for code := idl.ErrorCode_INVALID_ARGUMENT; code <= idl.ErrorCode_INTERNAL; code++ {
		sentinel, known := errorsByCode[code]
		if !known || !errors.Is(&ServerError{Code: code}, sentinel) {
			t.Errorf("%s has no sentinel", code)
		}
	}
	late := &ServerError{Code: idl.ErrorCode_DEADLINE_EXCEEDED}
	if !errors.Is(late, context.DeadlineExceeded) {
		t.Error("DEADLINE_EXCEEDED is not context.DeadlineExceeded")
	}
	if unknown := (&ServerError{Code: 77}).Error(); !strings.Contains(unknown, "77") {
		t.Errorf("the message hides an unknown code: %s", unknown)
	}
}

func TestUnknownMethodIsUnimplemented(t *testing.T) {
	server := newScriptedServer(t, &echo{}, reply(func(call *exchange) []byte {
		const unknownMethod = "\x0b\x00\x01\x00\x00\x00\x02no\x08\x00\x02\x00\x00\x00\x01\x00"
		return headed(call.method, 3, call.sequence, []byte(unknownMethod))
	}))
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
	err := client.Ping(context.Background())
	if !errors.Is(err, ErrUnimplemented) || !strings.HasSuffix(err.Error(), ": no") {
		t.Fatalf("expected UNIMPLEMENTED with the server's message, received %v", err)
	}
	expectEcho(t, client, 1)
}

func TestCancelEndsTheCall(t *testing.T) {
	arrived := make(chan struct{})
	server := newScriptedServer(t, &echo{}, func(call *exchange) bool {
		close(arrived)
		return silence(call)
	})
	client := newClient(t, server.endpoint(), Options{Timeout: time.Hour})
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-arrived
		cancel()
	}()
	err := client.Ping(ctx)
	var failure *TransportError
	isCancel := errors.Is(err, context.Canceled) && !errors.Is(err, ErrTimedOut)
	if !errors.As(err, &failure) || !isCancel {
		t.Fatalf("expected a TransportError with context.Canceled, received %v", err)
	}
	expectEcho(t, client, 1)
}

func TestContextThatIsOverSendsNothing(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	if err := client.Ping(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("expected context.Canceled, received %v", err)
	}
	expired, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancel()
	expectTransportError(t, client.Ping(expired), "wait", ErrTimedOut)
	if accepted := server.connections(); accepted != 0 {
		t.Errorf("expected no connection, the server accepted %d", accepted)
	}
}

func TestTimeoutAppliesWithoutADeadlineInTheContext(t *testing.T) {
	server := newScriptedServer(t, &echo{}, silence)
	client := newClient(t, server.endpoint(), Options{Timeout: callDeadline})
	expectTransportError(t, client.Ping(context.Background()), "read", ErrTimedOut)
}

func TestWaitForATurnEndsWithItsOwnContext(t *testing.T) {
	arrived, proceed := make(chan struct{}), make(chan struct{})
	server := newScriptedServer(t, &echo{}, func(call *exchange) bool {
		close(arrived)
		<-proceed
		return answer(call)
	})
	client := newClient(t, server.endpoint(), alone(schedulingSlack))
	first := make(chan error, 1)
	go func() { first <- client.Ping(context.Background()) }()
	<-arrived

	err := expectEnds(t, func(ctx context.Context) error { return client.Ping(ctx) })
	expectTransportError(t, err, "wait", ErrTimedOut)
	cancelled, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Millisecond, cancel)
	if err := client.Ping(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("expected context.Canceled, received %v", err)
	}

	close(proceed)
	if err := <-first; err != nil {
		t.Errorf("the call that was waited for failed: %v", err)
	}
	if accepted := server.connections(); accepted != 1 {
		t.Errorf("expected 1 connection, the server accepted %d", accepted)
	}
}

func TestCloseEndsCallsAndRefusesLaterOnes(t *testing.T) {
	arrived := make(chan struct{})
	server := newScriptedServer(t, &echo{}, func(call *exchange) bool {
		close(arrived)
		return silence(call)
	})
	client := newClient(t, server.endpoint(), Options{Timeout: time.Hour})
	results := make(chan error, 2)
	go func() { results <- client.Ping(context.Background()) }()
	<-arrived
	go func() { results <- client.Ping(context.Background()) }()
	for range 2 {
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := <-results; !errors.Is(err, ErrClosed) {
			t.Errorf("expected ErrClosed, received %v", err)
		}
	}
	if err := client.Ping(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("expected ErrClosed, received %v", err)
	}
}

func TestConnectFailureIsTyped(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	missing := "unix:" + filepath.Join(t.TempDir(), "none")
	for _, endpoint := range []string{listener.Addr().String(), missing} {
		client := newClient(t, endpoint, Options{Timeout: schedulingSlack})
		expectTransportError(t, client.Ping(context.Background()), "connect", ErrConnectFailed)
	}
}

func TestConnectionClosedWhileIdleIsReplacedUnnoticed(t *testing.T) {
	server := newScriptedServer(t, &echo{}, func(call *exchange) bool {
		answer(call)
		return false
	})
	client := newClient(t, server.endpoint(), alone(schedulingSlack))
	expectEcho(t, client, 1)
	idle := (*client.resolver.current.Load())[0].pool.connections[0]
	for idle.alive() || time.Since(idle.idleSince) < peekedAfter {
		time.Sleep(time.Millisecond)
	}
	expectEcho(t, client, 2)
	if accepted := server.connections(); accepted != 2 {
		t.Errorf("expected 2 connections, the server accepted %d", accepted)
	}
}

func TestRequestAboveTheFrameLimitIsRefusedUnsent(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	options := Options{Timeout: schedulingSlack, FrameBytesMax: 1000}
	client := newClient(t, server.endpoint(), options)
	expectEcho(t, client, 1)
	_, err := client.ScoreValues(context.Background(), "echo", make([]float64, 1000))
	var answer *ServerError
	if !errors.Is(err, ErrInvalidArgument) || errors.As(err, &answer) {
		t.Fatalf("expected ErrInvalidArgument of the client, received %v", err)
	}
	expectEcho(t, client, 2)
	if accepted := server.connections(); accepted != 1 {
		t.Errorf("expected 1 connection, the server accepted %d", accepted)
	}
}

func TestGoroutinesGetTheirOwnAnswers(t *testing.T) {
	server := newScriptedServer(t, &echo{})
	client := newClient(t, server.endpoint(), Options{Timeout: time.Minute, ConnectionsMax: 1})
	var running sync.WaitGroup
	for caller := range 16 {
		running.Go(func() {
			for call := range 50 {
				value := float64(caller*1000 + call)
				scores, err := client.ScoreValues(context.Background(), "echo", []float64{value})
				if err != nil || len(scores) != 1 || scores[0] != value {
					t.Errorf("call %v received %v, %v", value, scores, err)
				}
			}
		})
	}
	running.Wait()
	if accepted := server.connections(); accepted != 1 {
		t.Errorf("expected 1 connection, the server accepted %d", accepted)
	}
}

func TestUnixSocketAndCompactProtocol(t *testing.T) {
	server := serveScript(t, "unix", unixPath(t), &echo{}, nil)
	server.compact = true
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack, Protocol: Compact})
	expectEcho(t, client, 1)
	_, err := client.ScoreValues(context.Background(), "nope", nil)
	if !errors.Is(err, ErrModelNotFound) {
		t.Errorf("expected MODEL_NOT_FOUND, received %v", err)
	}
}

func TestRequestCarriesItsContext(t *testing.T) {
	handler := &echo{}
	server := newScriptedServer(t, handler)
	client := newClient(t, server.endpoint(), Options{AuthToken: "secret"})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	result, err := client.Score(ctx, "m", Dense[float64]{Values: []float64{1, 2, 3, 4}, Columns: 2},
		WithVersion("stable"), WithRequestID("r-1"), WithTraceparent("00-t"))
	if err != nil {
		t.Fatal(err)
	}
	if result.RequestID != "r-1" || result.ModelVersion != "7" || result.Datatype != FP64 ||
		!slices.Equal(result.Row(1), []float64{3, 4}) {
		t.Errorf("received %+v", result)
	}
	request := handler.last().(*idl.ScoreRequest)
	left := request.Context.GetDeadlineMs()
	if left < 1 || left > 60_000 {
		t.Errorf("expected a deadline of up to 60000 ms, sent %d", left)
	}
	if request.ModelVersion != "stable" || request.GetColumns() != 2 ||
		request.Context.GetAuthToken() != "secret" || request.Context.GetTraceparent() != "00-t" {
		t.Errorf("sent %v with %v", request, request.Context)
	}
}

func TestEndpointsAndOptionsAreChecked(t *testing.T) {
	for _, endpoint := range []string{"", "localhost", "localhost:", "unix:", "1:2:3"} {
		if _, err := New(endpoint, Options{}); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("endpoint %q: expected ErrInvalidArgument, received %v", endpoint, err)
		}
	}
	for _, options := range []Options{
		{Timeout: -1}, {ConnectTimeout: -1}, {Protocol: 2}, {Transport: 3}, {FrameBytesMax: -1},
		{CallsPerConnectionMax: -1}, {ConnectionsMax: -1}, {AttemptsMax: -1}, {ChunkRows: -1},
		{IdleTimeout: -1}, {ConnectionAgeMax: -1}, {ResolveInterval: -1}, {HedgeDelay: -1},
	} {
		if _, err := New("h:1", options); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%+v: expected ErrInvalidArgument, received %v", options, err)
		}
	}
}
