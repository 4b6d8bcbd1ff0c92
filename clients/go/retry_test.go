// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// refuser answers ScoreValues with an error as often as it is told to, and with the values then.
type refuser struct {
	idl.ScoringService
	refusals atomic.Int64 // how many are left
	calls    atomic.Int64
	refusal  idl.ScoringError
}

func refuse(times int64, code idl.ErrorCode, retryable bool, retryAfterMs int32) *refuser {
	created := &refuser{refusal: idl.ScoringError{
		Code: code, Message: "not now", Retryable: retryable, RetryAfterMs: retryAfterMs,
	}}
	created.refusals.Store(times)
	return created
}

func (r *refuser) ScoreValues(_ context.Context, _ string, values []float64) ([]float64, error) {
	r.calls.Add(1)
	if r.refusals.Add(-1) >= 0 {
		refusal := r.refusal
		return nil, &refusal
	}
	return values, nil
}

// attemptLog keeps what an observer is told of attempts.
type attemptLog struct {
	mutex   sync.Mutex
	reports []AttemptReport
}

func (l *attemptLog) observer() Observer {
	return Observer{Attempt: func(_ context.Context, report AttemptReport) {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		l.reports = append(l.reports, report)
	}}
}

func (l *attemptLog) count() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return len(l.reports)
}

func callEcho(client *Client) error {
	_, err := client.ScoreValues(context.Background(), "echo", []float64{1})
	return err
}

func TestLostConnectionIsRetried(t *testing.T) {
	for name, lose := range map[string]behaviour{
		"hang-up": hangUp, "hang-up inside the reply": hangUpInside, "reset": reset,
	} {
		t.Run(name, func(t *testing.T) {
			var attempts attemptLog
			server := newScriptedServer(t, &echo{}, lose, lose)
			client := newClient(t, server.endpoint(), Options{
				Timeout: schedulingSlack, Observer: attempts.observer(),
			})
			expectEcho(t, client, 1)
			if attempts.count() != 3 || !errors.Is(attempts.reports[1].Err, ErrConnectionLost) ||
				attempts.reports[2].Number != 3 || attempts.reports[2].Err != nil {
				t.Errorf("observed %+v", attempts.reports)
			}
		})
	}
}

func TestAttemptsEndAtTheirMaximum(t *testing.T) {
	server := newScriptedServer(t, &echo{}, hangUp, hangUp, hangUp, hangUp)
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack, AttemptsMax: 2})
	var failure *TransportError
	err := callEcho(client)
	if !errors.As(err, &failure) || failure.Attempts != 2 || failure.Model != "echo" ||
		failure.Method != "score_values" || !strings.Contains(err.Error(), "attempt 2") {
		t.Errorf("received %v", err)
	}
}

func TestOnlyErrorsThatMayPassAreRetried(t *testing.T) {
	for name, test := range map[string]struct {
		retryable bool
		expected  int64
	}{"retryable": {true, 3}, "final": {false, 1}} {
		t.Run(name, func(t *testing.T) {
			handler := refuse(2, idl.ErrorCode_OVERLOADED, test.retryable, 0)
			server := newScriptedServer(t, handler)
			client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
			err := callEcho(client)
			if test.retryable != (err == nil) || handler.calls.Load() != test.expected {
				t.Errorf("%d calls, %v", handler.calls.Load(), err)
			}
		})
	}
}

func TestWhatTookTooLongOrMadeNoSenseIsNotRetried(t *testing.T) {
	for name, behave := range map[string]behaviour{
		"silence": silence, "nonsense": raw("\x00\x00\x00\x08garbage!"),
	} {
		t.Run(name, func(t *testing.T) {
			var attempts attemptLog
			server := newScriptedServer(t, &echo{}, behave)
			client := newClient(t, server.endpoint(), Options{
				Timeout: callDeadline, Observer: attempts.observer(),
			})
			if err := callEcho(client); err == nil || attempts.count() != 1 {
				t.Errorf("%d attempts, %v", attempts.count(), err)
			}
		})
	}
}

func TestServerIsLeftAloneForAsLongAsItAsks(t *testing.T) {
	const patienceMs = 60
	handler := refuse(1, idl.ErrorCode_OVERLOADED, true, patienceMs)
	server := newScriptedServer(t, handler)
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
	begin := time.Now()
	expectEcho(t, client, 1)
	if took := time.Since(begin); took < patienceMs*time.Millisecond {
		t.Errorf("the second attempt came after %v", took)
	}
}

func TestCallFailsAtOnceIfItCannotWaitAsLongAsTheServerAsks(t *testing.T) {
	handler := refuse(1, idl.ErrorCode_OVERLOADED, true, 3_600_000)
	server := newScriptedServer(t, handler)
	client := newClient(t, server.endpoint(), Options{Timeout: time.Minute})
	begin := time.Now()
	err := callEcho(client)
	if !errors.Is(err, ErrOverloaded) || time.Since(begin) > schedulingSlack {
		t.Errorf("received %v after %v", err, time.Since(begin))
	}
}

func TestAnotherServerIsTriedWithoutWaiting(t *testing.T) {
	busy := refuse(1<<30, idl.ErrorCode_OVERLOADED, true, 3_600_000)
	idle := refuse(0, 0, false, 0)
	endpoints := []string{
		newScriptedServer(t, busy).endpoint(), newScriptedServer(t, idle).endpoint(),
	}
	client, err := NewWithEndpoints(endpoints, Options{Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	begin := time.Now()
	for value := range 10 {
		expectEcho(t, client, float64(value))
	}
	if time.Since(begin) > schedulingSlack || idle.calls.Load() != 10 {
		t.Errorf("%d calls after %v", idle.calls.Load(), time.Since(begin))
	}
}

func TestRetriesAreATenthOfTheCallsWhereAllServersRefuse(t *testing.T) {
	const calls = 1000
	handler := refuse(1<<30, idl.ErrorCode_OVERLOADED, true, 0)
	first, second := newScriptedServer(t, handler), newScriptedServer(t, handler)
	client := newClient(t, first.endpoint()+","+second.endpoint(),
		Options{Timeout: schedulingSlack})
	for range calls {
		if err := callEcho(client); !errors.Is(err, ErrOverloaded) {
			t.Fatal(err)
		}
	}
	if attempts := handler.calls.Load(); attempts <= calls || attempts > calls*11/10+10 {
		t.Errorf("%d attempts for %d calls", attempts, calls)
	}
}

// deadEndpoint is where nothing listens.
func deadEndpoint(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// syncBuffer is a buffer that several goroutines may use.
type syncBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *syncBuffer) Write(data []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(data)
}

func (b *syncBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

func TestServerThatIsDownIsPassedOverUntilItIsBack(t *testing.T) {
	dead := deadEndpoint(t)
	alive := newScriptedServer(t, &echo{})
	var log syncBuffer
	options := Options{
		Timeout: schedulingSlack,
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
			Level: slog.LevelDebug,
		})),
	}
	client := newClient(t, dead+","+alive.endpoint(), options)
	for value := range 200 {
		expectEcho(t, client, float64(value))
	}
	if budget := client.budget.tokens.Load(); budget < tokensAtStart {
		t.Errorf("connect failures cost tokens, %d are left", budget)
	}
	for _, expected := range []string{"level=WARN", "server is out of service", "level=DEBUG"} {
		if !strings.Contains(log.String(), expected) {
			t.Errorf("expected %q in the log:\n%s", expected, log.String())
		}
	}
	revived := serveScript(t, "tcp", dead, &echo{}, nil)
	value := 1000.0
	waitUntil(t, "the server that is back gets calls", func() bool {
		value++
		expectEcho(t, client, value)
		return revived.connections() > 0
	})
	if !strings.Contains(log.String(), "server is back") {
		t.Errorf("the log does not say so:\n%s", log.String())
	}
}

// A server that accepts connections before it can answer must not cost a call all of its time.
func TestCallThatFindsAServerStillOutOfServiceIsTriedElsewhere(t *testing.T) {
	silent, alive := newScriptedServer(t, &echo{}, silence), newScriptedServer(t, &echo{})
	var attempts attemptLog
	client := newClient(t, silent.endpoint()+","+alive.endpoint(), Options{
		Timeout: time.Second, Observer: attempts.observer(),
	})
	first := (*client.resolver.current.Load())[0]
	first.failed(time.Now().Add(-time.Hour), &TransportError{Err: ErrConnectFailed})
	expectEcho(t, client, 1)
	if attempts.count() != 2 || !errors.Is(attempts.reports[0].Err, ErrConnectionLost) {
		t.Errorf("observed %+v", attempts.reports)
	}
	if state, _ := first.standingAt(time.Now()); state == inService {
		t.Error("the server is in service")
	}
}

func TestWhereAllServersAreDownEachCallStillTries(t *testing.T) {
	dead := deadEndpoint(t)
	client := newClient(t, dead, Options{Timeout: schedulingSlack, AttemptsMax: 1})
	for range 5 {
		expectTransportError(t, callEcho(client), "connect", ErrConnectFailed)
	}
	serveScript(t, "tcp", dead, &echo{}, nil)
	expectEcho(t, client, 1)
}
