// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// replyTo is the framed reply to the first score call of a connection.
func replyTo(t testing.TB, response *idl.ScoreResponse) []byte {
	t.Helper()
	buffer := thrift.NewTMemoryBuffer()
	protocol := thrift.NewTBinaryProtocolConf(buffer, nil)
	ctx := context.Background()
	result := idl.ScoringServiceScoreResult{Success: response}
	err := errors.Join(protocol.WriteMessageBegin(ctx, "score", thrift.REPLY, 1),
		result.Write(ctx, protocol))
	if err != nil {
		t.Fatal(err)
	}
	return frame(buffer.Bytes())
}

// connectionTo is a connection that answers each request with the bytes.
func connectionTo(received []byte, options Options) *connection {
	created := newConnection(&replayed{data: received}, newCodec(options))
	created.stride = 1
	return created
}

// scoreOn makes a call with one feature a row, without anything around the connection.
func scoreOn(on *connection, rows int) (*Result, error) {
	reply, err := on.exchange(context.Background(), scoreCall(Dense[float32]{
		Values: make([]float32, rows), Columns: 1,
	}), time.Now().Add(schedulingSlack))
	if err != nil {
		return nil, err
	}
	return reply.(*Result), nil
}

func scoreCall(features Features) *call {
	settings := &callSettings{model: "m", context: &idl.RequestContext{}}
	made, err := settings.newMatrixCall("score", features)
	if err != nil {
		panic(err)
	}
	return made
}

// FuzzReply gives the client any bytes for a reply: it may succeed, or fail with its own errors.
func FuzzReply(f *testing.F) {
	response := &idl.ScoreResponse{Scores: make([]byte, 8), Rows: 2, Columns: 1, Datatype: FP32}
	whole := replyTo(f, response)
	for _, seed := range [][]byte{whole, whole[:len(whole)/2], {}, []byte("HTTP/1.1 400\r\n")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, received []byte) {
		result, err := scoreOn(connectionTo(received, Options{FrameBytesMax: 1 << 20}), 2)
		if err != nil {
			var failed *callError
			var exception thrift.TApplicationException
			var declared *idl.ScoringError
			if !errors.As(err, &failed) && !errors.As(err, &exception) &&
				!errors.As(err, &declared) {
				t.Errorf("received %T: %v", err, err)
			}
			return
		}
		if len(result.Values) != result.Rows*result.Columns {
			t.Errorf("%d values in %d x %d", len(result.Values), result.Rows, result.Columns)
		}
	})
}

func TestMessageIsNotContinuedBeyondItsFrame(t *testing.T) {
	message := replyTo(t, idl.NewScoreResponse())[frameHeaderBytes:]
	split := len(message) - 3
	_, err := scoreOn(connectionTo(append(frame(message[:split]), message[split:]...),
		Options{FrameBytesMax: 1 << 20}), 1)
	if !errors.Is(err, ErrProtocolViolation) {
		t.Errorf("expected ErrProtocolViolation, received %v", err)
	}
}

// replayed is a connection that gives the same bytes again after each request, and then ends.
type replayed struct {
	net.Conn
	data, unread []byte
}

func (r *replayed) Write(request []byte) (int, error) {
	r.unread = r.data
	return len(request), nil
}

func (r *replayed) SetReadDeadline(time.Time) error { return nil }

func (r *replayed) SetWriteDeadline(time.Time) error { return nil }

func (r *replayed) Close() error { return nil }

func (r *replayed) Read(buffer []byte) (int, error) {
	if len(r.unread) == 0 {
		return 0, net.ErrClosed
	}
	count := copy(buffer, r.unread)
	r.unread = r.unread[count:]
	return count, nil
}

// shapes of the benchmarks, in rows; every row has 30 columns.
var benchmarkRows = []struct {
	name string
	rows int
}{{"1x30", 1}, {"1000x30", 1000}}

func benchmarkFeatures(rows int) Rows[float32] {
	features := make(Rows[float32], rows)
	for index := range features {
		features[index] = make([]float32, 30)
		features[index][0] = float32(index)
	}
	return features
}

func BenchmarkEncodeRows(b *testing.B) {
	for _, shape := range benchmarkRows {
		b.Run(shape.name, func(b *testing.B) {
			features := benchmarkFeatures(shape.rows)
			var data []byte
			b.SetBytes(int64(shape.rows) * 30 * 4)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := features.shape(); err != nil {
					b.Fatal(err)
				}
				data = features.appendTo(data[:0])
			}
		})
	}
}

// BenchmarkRoundTrip is all that a call does but I/O: encode the request, decode the reply.
func BenchmarkRoundTrip(b *testing.B) {
	for _, shape := range benchmarkRows {
		b.Run(shape.name, func(b *testing.B) {
			response := &idl.ScoreResponse{Datatype: FP32, Rows: int64(shape.rows), Columns: 1}
			response.Scores = make([]byte, 4*shape.rows)
			connection := connectionTo(replyTo(b, response),
				Options{FrameBytesMax: defaultFrameBytesMax})
			call := scoreCall(benchmarkFeatures(shape.rows))
			b.ReportAllocs()
			for b.Loop() {
				connection.sequence.Store(0)
				_, err := connection.exchange(context.Background(), call,
					time.Now().Add(schedulingSlack))
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
