// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"slices"
	"testing"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// marked is the key of a value that interceptors put into the context.
type marked struct{}

func TestInterceptorsSurroundEveryCall(t *testing.T) {
	var events []string
	around := func(name string) Interceptor {
		return func(ctx context.Context, call CallInfo, next func(context.Context) error) error {
			events = append(events, name+" "+call.Method+" "+call.Model)
			err := next(context.WithValue(ctx, marked{}, name))
			events = append(events, name+" ends")
			return err
		}
	}
	server := newScriptedServer(t, &echo{})
	var seen any
	client := newClient(t, server.endpoint(), Options{
		Timeout:      schedulingSlack,
		Interceptors: []Interceptor{around("outer"), around("inner")},
		Observer: Observer{Call: func(_ context.Context, report CallReport) {
			events = append(events, "observed "+report.Method)
		}, Attempt: func(ctx context.Context, _ AttemptReport) {
			seen = ctx.Value(marked{})
		}},
	})
	expectEcho(t, client, 1)
	expected := []string{
		"outer score_values echo", "inner score_values echo", "inner ends", "outer ends",
		"observed score_values",
	}
	if !slices.Equal(events, expected) || seen != "inner" {
		t.Errorf("received %q, %v", events, seen)
	}
}

func TestInterceptorMayRefuse(t *testing.T) {
	refusal := errors.New("not today")
	server := newScriptedServer(t, &echo{})
	client := newClient(t, server.endpoint(), Options{
		Interceptors: []Interceptor{
			func(context.Context, CallInfo, func(context.Context) error) error { return refusal },
		},
	})
	if err := client.Ping(context.Background()); !errors.Is(err, refusal) {
		t.Errorf("received %v", err)
	}
	if server.connections() != 0 {
		t.Error("the call was made")
	}
}

func TestTraceparentComesFromTheContextUnlessTheCallerGivesOne(t *testing.T) {
	handler := &echo{}
	server := newScriptedServer(t, handler)
	type key struct{}
	client := newClient(t, server.endpoint(), Options{
		Timeout: schedulingSlack,
		Traceparent: func(ctx context.Context) string {
			traceparent, _ := ctx.Value(key{}).(string)
			return traceparent
		},
	})
	traced := context.WithValue(context.Background(), key{}, "00-context")
	for _, test := range []struct {
		ctx      context.Context
		options  []CallOption
		expected string
	}{
		{context.Background(), nil, ""},
		{traced, nil, "00-context"},
		{traced, []CallOption{WithTraceparent("00-explicit")}, "00-explicit"},
	} {
		_, err := client.Score(test.ctx, "m", Row[float32]{1}, test.options...)
		if err != nil {
			t.Fatal(err)
		}
		sent := handler.last().(*idl.ScoreRequest).Context
		if sent.GetTraceparent() != test.expected || sent.IsSetTraceparent() != (test.expected != "") {
			t.Errorf("expected %q, sent %v", test.expected, sent)
		}
	}
}
