// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"time"
)

// CallInfo is what an [Interceptor] is told of a call before it is made.
type CallInfo struct {
	Method string // of the contract, such as "score"
	Model  string // empty where the method has none
}

// Interceptor surrounds every call of a client: it calls next once, with the context it was given
// or one made from it, and returns what next returned or an error of its own. It is the place for
// spans and for metrics of calls. It must be safe for concurrent use.
type Interceptor func(ctx context.Context, call CallInfo, next func(context.Context) error) error

// AttemptReport is how one attempt of a call ended. A call has several if it was retried or hedged.
type AttemptReport struct {
	Method   string
	Model    string
	Endpoint string // as in the errors
	Number   int    // from 1
	Duration time.Duration
	Err      error // nil, or as the caller would get it
}

// CallReport is how a call ended, its attempts, and the time in which nothing could be done, taken
// together.
type CallReport struct {
	Method   string
	Model    string
	Duration time.Duration
	Err      error // nil, or as the caller gets it
}

// Observer is told of what a client did. Its functions are called by the goroutine of the call,
// and of a hedged attempt by that of the attempt, so they must be quick and safe for concurrent
// use. Any may be nil.
type Observer struct {
	Call    func(context.Context, CallReport)
	Attempt func(context.Context, AttemptReport)
}

// observed makes a call inside of the interceptors.
func (c *Client) observed(ctx context.Context, call *call) (reply any, err error) {
	begin := time.Time{}
	if c.options.Observer.Call != nil {
		begin = time.Now()
	}
	if len(c.options.Interceptors) == 0 {
		reply, err = c.traced(ctx, call)
	} else {
		reply, err = c.intercepted(ctx, call)
	}
	if report := c.options.Observer.Call; report != nil {
		report(ctx, CallReport{call.method, call.model, time.Since(begin), err})
	}
	return reply, err
}

func (c *Client) intercepted(ctx context.Context, call *call) (reply any, err error) {
	next := func(ctx context.Context) error {
		reply, err = c.traced(ctx, call)
		return err
	}
	info := CallInfo{call.method, call.model}
	for index := len(c.options.Interceptors) - 1; index >= 0; index-- {
		intercept, inner := c.options.Interceptors[index], next
		next = func(ctx context.Context) error { return intercept(ctx, info, inner) }
	}
	if err := next(ctx); err != nil {
		return nil, err
	}
	return reply, err
}

// traced sends the trace context of the innermost context along, unless the caller gave one.
func (c *Client) traced(ctx context.Context, call *call) (any, error) {
	if c.options.Traceparent != nil && call.context != nil && call.context.Traceparent == nil {
		if traceparent := c.options.Traceparent(ctx); traceparent != "" {
			call.context.Traceparent = &traceparent
		}
	}
	return c.call(ctx, call)
}
