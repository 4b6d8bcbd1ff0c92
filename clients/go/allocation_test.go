// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// replayServer answers every call of Score with the same reply, and allocates nothing for it, so
// that what is measured is the client's.
func replayServer(t testing.TB) string {
	t.Helper()
	reply := replyTo(t, &idl.ScoreResponse{
		Scores: make([]byte, 4), Rows: 1, Columns: 1, Datatype: FP32, ModelVersion: "1",
	})
	return serveConnections(t, func(connection net.Conn) {
		const sequenceAt = 4 + 4 + 4 + len("score")
		own := append([]byte(nil), reply...)
		input, request := bufio.NewReader(connection), make([]byte, 4096)
		for {
			if _, err := io.ReadFull(input, request[:4]); err != nil {
				return
			}
			size := binary.BigEndian.Uint32(request)
			if _, err := io.ReadFull(input, request[4:4+size]); err != nil {
				return
			}
			copy(own[sequenceAt:], request[sequenceAt:sequenceAt+4])
			if _, err := connection.Write(own); err != nil {
				return
			}
		}
	})
}

// BenchmarkScore is a whole call over TCP, of one row of 30 features: by this client, whose
// goroutines share it, and by the generated one, of which each goroutine has its own.
func BenchmarkScore(b *testing.B) {
	features := benchmarkFeatures(1)
	b.Run("client", func(b *testing.B) {
		client := newClient(b, replayServer(b), Options{Timeout: schedulingSlack})
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.Score(context.Background(), "m", features); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("client, 16 goroutines", func(b *testing.B) {
		client := newClient(b, replayServer(b), Options{Timeout: schedulingSlack})
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(turns *testing.PB) {
			for turns.Next() {
				if _, err := client.Score(context.Background(), "m", features); err != nil {
					b.Error(err)
				}
			}
		})
	})
	b.Run("generated", func(b *testing.B) {
		client := newStockClient(b, replayServer(b))
		b.ReportAllocs()
		for b.Loop() {
			_, err := client.Score(context.Background(), &idl.ScoreRequest{
				ModelName: "m", Features: features.appendTo(nil), Datatype: FP32,
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func newStockClient(t testing.TB, endpoint string) *idl.ScoringServiceClient {
	t.Helper()
	framed := thrift.NewTFramedTransportConf(thrift.NewTSocketConf(endpoint,
		&thrift.TConfiguration{SocketTimeout: schedulingSlack}), nil)
	if err := framed.Open(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = framed.Close() })
	protocol := thrift.NewTBinaryProtocolConf(framed, nil)
	return idl.NewScoringServiceClient(thrift.NewTStandardClient(protocol, protocol))
}

// TestCallAllocatesLittle bounds what a call allocates: its request and reply, and no buffers.
func TestCallAllocatesLittle(t *testing.T) {
	const allocationsMax = 30 // without the race detector, which empties pools, 8
	client := newClient(t, replayServer(t), Options{Timeout: time.Minute})
	features := benchmarkFeatures(1)
	allocations := testing.AllocsPerRun(1000, func() {
		if _, err := client.Score(context.Background(), "m", features); err != nil {
			t.Fatal(err)
		}
	})
	if allocations > allocationsMax {
		t.Errorf("%v allocations for a call, at most %d were expected", allocations, allocationsMax)
	}
}
