// SPDX-License-Identifier: Apache-2.0

// Package otel connects the Go client of thriftscore with OpenTelemetry. It is a module of its own,
// so that the client itself does not depend on OpenTelemetry.
//
//	client, err := thriftscore.New(endpoints, thriftscore.Options{
//		Traceparent:  otel.Traceparent,
//		Interceptors: []thriftscore.Interceptor{otel.Interceptor(tracer)},
//	})
//
// Either works without the other: Traceparent sends the span of the caller along, Interceptor makes
// a span of each call, which is then the one that is sent.
package otel

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/thriftscore/thriftscore/clients/go"
)

// Traceparent returns the W3C Trace Context of the span in ctx, empty if there is none. It is made
// for thriftscore.Options.Traceparent.
func Traceparent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// Interceptor returns one that makes a client span of each call, retries included, with the
// attributes rpc.system, rpc.method and thriftscore.model, and with the error of a call that fails.
func Interceptor(tracer trace.Tracer) thriftscore.Interceptor {
	return func(ctx context.Context, call thriftscore.CallInfo,
		next func(context.Context) error) error {
		ctx, span := tracer.Start(ctx, "thriftscore/"+call.Method,
			trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(
				attribute.String("rpc.system", "apache_thrift"),
				attribute.String("rpc.method", call.Method),
				attribute.String("thriftscore.model", call.Model)))
		defer span.End()
		err := next(ctx)
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		return err
	}
}
