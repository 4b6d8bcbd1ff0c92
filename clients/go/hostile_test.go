// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

const (
	// callDeadline ends the calls that the server does not.
	callDeadline = 150 * time.Millisecond
	// schedulingSlack is what a loaded machine may add before a call counts as hanging. The
	// servers that must be cut off would go on for far longer.
	schedulingSlack = 10 * time.Second
)

// headed is a message that starts as given and goes on with the body.
func headed(method string, kind thrift.TMessageType, sequence int32, body []byte) []byte {
	buffer := thrift.NewTMemoryBuffer()
	protocol := thrift.NewTBinaryProtocolConf(buffer, nil)
	_ = protocol.WriteMessageBegin(context.Background(), method, kind, sequence)
	return append(buffer.Bytes(), body...)
}

// headWithoutVersion is the start of a reply in the form that the binary protocol had at first.
func headWithoutVersion(method string, sequence int32) []byte {
	head := append(binary.BigEndian.AppendUint32(nil, uint32(len(method))), method...)
	return binary.BigEndian.AppendUint32(append(head, byte(thrift.REPLY)), uint32(sequence))
}

// body is the honest reply without the head of its message.
func (e *exchange) body() []byte {
	return e.reply[len(headed(e.method, thrift.REPLY, e.sequence, nil)):]
}

// reply sends a framed message with the head that was asked for.
func reply(make func(*exchange) []byte) behaviour {
	return func(call *exchange) bool { return call.send(frame(make(call))) }
}

// withBody replies with the right head and another body.
func withBody(body ...byte) behaviour {
	return reply(func(call *exchange) []byte {
		return headed(call.method, thrift.REPLY, call.sequence, body)
	})
}

// raw sends bytes that are no frame.
func raw(text string) behaviour {
	return func(call *exchange) bool { return call.send([]byte(text)) }
}

func silence(call *exchange) bool {
	<-call.stop
	return false
}

// drip sends the bytes one by one, without end.
func drip(call *exchange) bool {
	honest := frame(append(bytes.Clone(call.reply), make([]byte, 1<<16)...))
	for _, value := range honest {
		select {
		case <-call.stop:
			return false
		case <-time.After(time.Millisecond):
		}
		if !call.send([]byte{value}) {
			return false
		}
	}
	return true
}

// afterDeadline answers honestly, too late.
func afterDeadline(call *exchange) bool {
	select {
	case <-call.stop:
		return false
	case <-time.After(2 * callDeadline):
		return answer(call)
	}
}

func hangUp(*exchange) bool { return false }

func hangUpInside(call *exchange) bool {
	call.send(frame(call.reply)[:len(call.reply)/2])
	return false
}

func reset(call *exchange) bool {
	_ = call.connection.(*net.TCPConn).SetLinger(0)
	return false
}

// deep is a reply with an unknown field of structs inside structs.
func deep() []byte { return bytes.Repeat([]byte{12, 0, 99}, 200_000) }

var hostileBehaviours = []struct {
	name     string
	behave   behaviour
	expected error
}{
	{"silence", silence, ErrTimedOut},
	{"drip", drip, ErrTimedOut},
	{"late reply", afterDeadline, ErrTimedOut},
	{"hang-up before the reply", hangUp, ErrConnectionLost},
	{"hang-up inside the reply", hangUpInside, ErrConnectionLost},
	{"reset", reset, ErrConnectionLost},
	{"wrong sequence id", reply(func(call *exchange) []byte {
		return headed(call.method, thrift.REPLY, call.sequence+1, call.body())
	}), ErrProtocolViolation},
	{"wrong method name", reply(func(call *exchange) []byte {
		return headed("ping", thrift.REPLY, call.sequence, call.body())
	}), ErrProtocolViolation},
	{"wrong message type", reply(func(call *exchange) []byte {
		return headed(call.method, thrift.CALL, call.sequence, call.body())
	}), ErrProtocolViolation},
	{"no version in the message", reply(func(call *exchange) []byte {
		return append(headWithoutVersion(call.method, call.sequence), call.body()...)
	}), ErrProtocolViolation},
	{"truncated message", reply(func(call *exchange) []byte {
		return call.reply[:len(call.reply)-3]
	}), ErrProtocolViolation},
	{"message with bytes after it", reply(func(call *exchange) []byte {
		return append(bytes.Clone(call.reply), 0)
	}), ErrProtocolViolation},
	{"neither result nor error", withBody(0), ErrProtocolViolation},
	{"result of another type", withBody(8, 0, 0, 0, 0, 0, 1, 0), ErrProtocolViolation},
	{"list that claims 2^31-1 values", withBody(15, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff),
		ErrProtocolViolation},
	{"list of negative length", withBody(15, 0, 0, 4, 0xff, 0xff, 0xff, 0xff),
		ErrProtocolViolation},
	{"deep nesting", withBody(deep()...), ErrProtocolViolation},
	{"frame of garbage", raw("\x00\x00\x00\x08garbage!"), ErrProtocolViolation},
	{"frame of two gigabytes", raw("\x7f\xff\xff\xff"), ErrProtocolViolation},
	{"frame of four gigabytes", raw("\xff\xff\xff\xff"), ErrProtocolViolation},
	{"empty frame", raw("\x00\x00\x00\x00"), ErrProtocolViolation},
	{"HTTP", raw("HTTP/1.1 400 Bad Request\r\n\r\n"), ErrProtocolViolation},
}

func TestHostileServerGivesTypedErrorInTimeAndNextCallWorks(t *testing.T) {
	for _, hostile := range hostileBehaviours {
		t.Run(hostile.name, func(t *testing.T) {
			t.Parallel()
			server := newScriptedServer(t, &echo{}, answer, hostile.behave)
			client := newClient(t, server.endpoint(), alone(schedulingSlack))
			expectEcho(t, client, 1)

			err := expectEnds(t, func(ctx context.Context) error {
				_, err := client.ScoreValues(ctx, "echo", []float64{2})
				return err
			})

			expectTransportError(t, err, "read", hostile.expected)
			expectEcho(t, client, 3)
			expectEcho(t, client, 4)
			if accepted := server.connections(); accepted != 2 {
				t.Errorf("expected 2 connections, the server accepted %d", accepted)
			}
		})
	}
}

// expectEnds makes a call with callDeadline and fails the test if it hangs.
func expectEnds(t *testing.T, call func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), callDeadline)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- call(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-time.After(callDeadline + callDeadline/10 + schedulingSlack):
		t.Fatal("the call outlived its deadline")
		return nil
	}
}

func expectTransportError(t *testing.T, err error, operation string, expected error) {
	t.Helper()
	var failure *TransportError
	if !errors.As(err, &failure) || !errors.Is(err, expected) {
		t.Fatalf("expected a TransportError with %q, received %T: %v", expected, err, err)
	}
	if failure.Op != operation {
		t.Errorf("expected the operation %q, received: %v", operation, err)
	}
	if isTimeout := errors.Is(err, context.DeadlineExceeded); isTimeout != failure.Timeout() ||
		isTimeout != (expected == ErrTimedOut) {
		t.Errorf("context.DeadlineExceeded is %v in: %v", isTimeout, err)
	}
}

func TestReplyToAnotherRequestIsRefused(t *testing.T) {
	other := "someone else's"
	bodies := map[string]*idl.ScoreResponse{
		"other request id":  {Datatype: FP32, Rows: 1, Columns: 1, RequestID: &other},
		"no request id":     {Datatype: FP32, Rows: 1, Columns: 1},
		"other rows":        {Datatype: FP32, Rows: 2, Columns: 1, Scores: make([]byte, 8)},
		"negative columns":  {Datatype: FP32, Rows: 1, Columns: -1},
		"wrong type":        {Datatype: Int32, Rows: 1, Columns: 1},
		"undefined type":    {Datatype: 99, Rows: 1, Columns: 1},
		"too many columns":  {Datatype: FP32, Rows: 1, Columns: 2},
		"too few columns":   {Datatype: FP64, Rows: 1, Columns: 0},
		"overflowing shape": {Datatype: FP32, Rows: 1, Columns: 1 << 30},
	}
	for name, response := range bodies {
		t.Run(name, func(t *testing.T) {
			request := "mine"
			if response.Scores == nil {
				response.Scores = make([]byte, 4)
			}
			if name != "other request id" && name != "no request id" {
				response.RequestID = &request
			}
			server := newScriptedServer(t, &fixed{response: response})
			client := newClient(t, server.endpoint(), alone(schedulingSlack))
			for range 2 {
				_, err := client.Score(context.Background(), "m", Rows[float32]{{1}},
					WithRequestID(request))
				expectTransportError(t, err, "read", ErrProtocolViolation)
			}
			if accepted := server.connections(); accepted != 2 {
				t.Errorf("expected a connection for each call, the server accepted %d", accepted)
			}
		})
	}
}

// fixed gives every Score the same answer.
type fixed struct {
	idl.ScoringService
	response *idl.ScoreResponse
}

func (f *fixed) Score(context.Context, *idl.ScoreRequest) (*idl.ScoreResponse, error) {
	return f.response, nil
}

func TestSecondReplyIsNeverDeliveredToTheNextCall(t *testing.T) {
	twice := func(call *exchange) bool { return call.send(bytes.Repeat(frame(call.reply), 2)) }
	for range 20 {
		server := newScriptedServer(t, &echo{}, twice)
		client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
		// Whether the second reply comes with the first or after it, one of the two notices.
		scores, err := client.ScoreValues(context.Background(), "echo", []float64{1})
		if err != nil && !errors.Is(err, ErrProtocolViolation) || err == nil && scores[0] != 1 {
			t.Fatalf("received %v, %v", scores, err)
		}
		expectEcho(t, client, 2)
	}
}
