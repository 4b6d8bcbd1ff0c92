// SPDX-License-Identifier: Apache-2.0

package otel_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go"
	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
	"github.com/thriftscore/thriftscore/clients/go/otel"
)

// keeper answers Score with the trace context that it received, as its model version.
type keeper struct{ thriftscoreidl.ScoringService }

func (keeper) Score(_ context.Context, request *thriftscoreidl.ScoreRequest) (
	*thriftscoreidl.ScoreResponse, error) {
	return &thriftscoreidl.ScoreResponse{
		Scores:       make([]byte, 4),
		Datatype:     thriftscoreidl.DataType_FP32,
		Rows:         1,
		Columns:      1,
		ModelVersion: request.Context.GetTraceparent(),
	}, nil
}

// serve runs a server of the Thrift library until the test ends.
func serve(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	processor := thriftscoreidl.NewScoringServiceProcessor(keeper{})
	go func() {
		for {
			accepted, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				framed := thrift.NewTFramedTransportConf(
					thrift.NewTSocketFromConnConf(accepted, nil), nil)
				protocol := thrift.NewTBinaryProtocolConf(framed, nil)
				for {
					if _, err := processor.Process(context.Background(), protocol,
						protocol); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func connect(t *testing.T, endpoint string, options thriftscore.Options) *thriftscore.Client {
	t.Helper()
	client, err := thriftscore.New(endpoint, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// sent makes a call and returns the trace context that the server received.
func sent(t *testing.T, ctx context.Context, client *thriftscore.Client) string {
	t.Helper()
	result, err := client.Score(ctx, "m", thriftscore.Row[float32]{1})
	if err != nil {
		t.Fatal(err)
	}
	return result.ModelVersion
}

func TestSpanOfTheCallerIsSent(t *testing.T) {
	client := connect(t, serve(t), thriftscore.Options{Traceparent: otel.Traceparent})
	if received := sent(t, context.Background(), client); received != "" {
		t.Errorf("without a span the server received %q", received)
	}
	span := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled,
	})
	ctx := trace.ContextWithSpanContext(context.Background(), span)
	expected := "00-01000000000000000000000000000000-0200000000000000-01"
	if received := sent(t, ctx, client); received != expected {
		t.Errorf("expected %q, the server received %q", expected, received)
	}
}

func TestInterceptorMakesASpanOfEachCall(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	tracer := sdk.NewTracerProvider(sdk.WithSpanProcessor(recorder)).Tracer("test")
	options := thriftscore.Options{
		Traceparent:  otel.Traceparent,
		Interceptors: []thriftscore.Interceptor{otel.Interceptor(tracer)},
	}
	received := sent(t, context.Background(), connect(t, serve(t), options))
	closed := connect(t, "127.0.0.1:1", options)
	_ = closed.Close()
	if err := closed.Ping(context.Background()); !errors.Is(err, thriftscore.ErrClosed) {
		t.Fatal(err)
	}
	spans := recorder.Ended()
	if len(spans) != 2 || spans[0].Name() != "thriftscore/score" ||
		spans[0].Status().Code != codes.Unset || spans[1].Status().Code != codes.Error {
		t.Fatalf("recorded %+v", spans)
	}
	expected := "00-" + spans[0].SpanContext().TraceID().String() + "-" +
		spans[0].SpanContext().SpanID().String() + "-01"
	if received != expected {
		t.Errorf("expected the span %q, the server received %q", expected, received)
	}
}
