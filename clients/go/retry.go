// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"
)

const (
	backoffMin = 10 * time.Millisecond
	backoffMax = time.Second
)

// invoke makes a call, and returns its checked reply.
func invoke[R any](ctx context.Context, c *Client, call *call) (R, error) {
	var none R
	reply, err := c.observed(ctx, call)
	if err != nil {
		return none, err
	}
	return reply.(R), nil
}

// call makes a call within the deadline of its context, in as many attempts as it may and must.
func (c *Client) call(ctx context.Context, call *call) (any, error) {
	deadline, hasDeadline := ctx.Deadline()
	if !hasDeadline {
		deadline = time.Now().Add(c.options.Timeout)
	}
	defer call.end()
	if err := c.checkBegin(ctx, deadline); err != nil {
		return nil, c.transportError(ctx, where{call, c.endpoints, 0}, "wait", err)
	}
	c.budget.earn()
	run := newRun(call, deadline)
	if c.options.Hedging {
		return c.runHedged(ctx, run)
	}
	return c.runAttempts(ctx, run, nil)
}

// checkBegin says why a call cannot begin.
func (c *Client) checkBegin(ctx context.Context, deadline time.Time) error {
	switch {
	case c.isClosed():
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case !time.Now().Before(deadline):
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

// runAttempts makes attempts until one succeeds or no more are allowed. Where err is set, attempts
// were made before, of which it is the outcome.
func (c *Client) runAttempts(ctx context.Context, run *run, err error) (any, error) {
	for {
		if err != nil && (!isRetryable(err) || run.attempts() >= c.options.AttemptsMax) {
			return nil, err
		}
		chosen, failed := c.choose(ctx, run)
		switch {
		case failed != nil:
			return nil, failed
		case err != nil && !(c.mayRetry(chosen, err, run.deadline) &&
			c.pauseUntil(ctx, chosen.notUntil)):
			chosen.forgo()
			return nil, err
		case err != nil:
			c.logRetry(run.call, chosen, err)
		}
		limit := c.limits(run, chosen)
		reply, failed := c.attempt(ctx, run.call, run.visit(chosen.to), limit)
		run.ended(chosen.to, patience(failed))
		if failed == nil {
			return reply, nil
		}
		err = failed
	}
}

// choose says where the next attempt of a call goes.
func (c *Client) choose(ctx context.Context, run *run) (choice, error) {
	at := where{run.call, c.endpoints, run.attempts()}
	backends, err := c.resolver.backends(ctx, run.deadline)
	if err != nil {
		return choice{}, c.connectError(ctx, at, err)
	}
	return run.next(backends, time.Now(), backoff(run.attempts())), nil
}

// mayRetry reports whether the budget and the time that is left allow another attempt. Another
// server in service can have a request for nothing that no server has seen.
func (c *Client) mayRetry(chosen choice, err error, deadline time.Time) bool {
	if !chosen.notUntil.Before(deadline) || !time.Now().Before(deadline) {
		return false
	}
	return chosen.isFresh && errors.Is(err, ErrConnectFailed) || c.budget.spend()
}

// pauseUntil waits; false if the call or the client ended meanwhile.
func (c *Client) pauseUntil(ctx context.Context, until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-c.closed:
		return false
	}
}

// backoff is a random time up to one that doubles with each attempt.
func backoff(attempts int) time.Duration {
	if attempts == 0 {
		return 0
	}
	return rand.N(min(backoffMax, backoffMin<<min(attempts-1, 10)))
}

// isRetryable reports whether the same request may succeed if it is sent again: all methods are
// idempotent, so a lost connection is no reason not to. One that the deadline ended has no time,
// and nonsense is not asked for twice.
func isRetryable(err error) bool {
	var answer *ServerError
	if errors.As(err, &answer) {
		return answer.Retryable
	}
	if errors.Is(err, ErrConnectFailed) {
		return !errors.Is(err, context.Canceled)
	}
	return errors.Is(err, ErrConnectionLost)
}

// attempt makes one attempt and notes how it ended.
func (c *Client) attempt(ctx context.Context, call *call, visit visit, limit limits) (
	reply any, err error) {
	begin, at := time.Now(), visit.at
	at.outstanding.Add(1)
	reply, failed := c.exchange(ctx, call, at, limit)
	at.outstanding.Add(-1)
	now := time.Now()
	if failed == nil && now.After(limit.end) {
		// A process that had no processor finds a late reply before it finds that it is late.
		failed = &callError{"read", os.ErrDeadlineExceeded}
	}
	if failed == nil {
		if at.succeeded(now, now.Sub(begin)) {
			c.log(slog.LevelInfo, "server is back", slog.String("endpoint", at.name))
		}
		c.latencies.add(now.Sub(begin))
	} else {
		err = c.attemptError(ctx, where{call, at.name, visit.number}, limit, failed)
		c.noteFailure(at, now, err)
	}
	if report := c.options.Observer.Attempt; report != nil {
		report(ctx, AttemptReport{
			Method: call.method, Model: call.model, Endpoint: at.name,
			Number: visit.number, Duration: now.Sub(begin), Err: err,
		})
	}
	return reply, err
}

// limits are when an attempt must be connected and when it must be over.
type limits struct {
	connect, end time.Time
	isTrial      bool // ends before the call does
}

// limits leaves a call that can be tried elsewhere half of its time for that, where it cannot
// connect, or gets no answer from a server that it is to find out about.
func (c *Client) limits(run *run, chosen choice) limits {
	limit := limits{connect: run.deadline, end: run.deadline}
	if run.attempts()+1 >= c.options.AttemptsMax || c.resolver.count() < 2 {
		return limit
	}
	limit.connect = time.Now().Add(time.Until(run.deadline) / 2)
	if chosen.isProbe {
		limit.end, limit.isTrial = limit.connect, true
	}
	return limit
}

// attemptError is callerError, except that a trial which took too long is like a lost connection.
func (c *Client) attemptError(ctx context.Context, at where, limit limits, failed error) error {
	err := c.callerError(ctx, at, failed)
	isLate := errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrConnectFailed)
	if limit.isTrial && isLate {
		return c.transportError(ctx, at, "read", errNoAnswer)
	}
	return err
}

// errNoAnswer is why a call is tried elsewhere that found a server still out of service.
var errNoAnswer = errors.New("no answer from a server that was out of service")

// exchange takes a connection and makes the call on it.
func (c *Client) exchange(ctx context.Context, call *call, at *backend, limit limits) (any, error) {
	connection, err := at.pool.acquire(ctx, limit)
	if err != nil {
		return nil, err
	}
	defer at.pool.release(connection)
	return connection.exchange(ctx, call, limit.end)
}

func patience(err error) time.Duration {
	if err == nil {
		return 0
	}
	var answer *ServerError
	if errors.As(err, &answer) {
		return answer.RetryAfter
	}
	return 0
}

// noteFailure lets the backend and the resolver know how an attempt failed.
func (c *Client) noteFailure(at *backend, now time.Time, err error) {
	if pause := at.failed(now, err); pause > 0 {
		c.log(slog.LevelWarn, "server is out of service", slog.String("endpoint", at.name),
			slog.Duration("for", pause), slog.Any("error", err))
	}
	if errors.Is(err, ErrConnectFailed) {
		c.resolver.refreshSoon()
	}
}

func (c *Client) logRetry(call *call, chosen choice, err error) {
	c.log(slog.LevelDebug, "retry", slog.String("method", call.method),
		slog.String("endpoint", chosen.to.name), slog.Any("error", err))
}
