// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// Client calls one server. It is safe for use by many goroutines at once: it has one connection, so
// their calls wait for each other, each for no longer than its context allows.
type Client struct {
	endpoint string
	address  address
	options  Options

	turn   chan struct{} // holds a token while a call runs; its holder may use connection
	closed chan struct{} // closed by Close

	mutex      sync.Mutex // guards the field connection and the closing of closed
	connection *connection
}

// stub is the generated client of the scoring service.
type stub = thriftscoreidl.ScoringServiceClient

// New returns a client of the server at endpoint, "host:port" or "unix:/path". It does not connect:
// the first call does. The error wraps ErrInvalidArgument.
func New(endpoint string, options Options) (*Client, error) {
	where, err := parseEndpoint(endpoint)
	if err != nil {
		return nil, err
	}
	if options, err = options.withDefaults(); err != nil {
		return nil, err
	}
	return &Client{
		endpoint: endpoint,
		address:  where,
		options:  options,
		turn:     make(chan struct{}, 1),
		closed:   make(chan struct{}),
	}, nil
}

// Close closes the connection. Calls in progress and later ones fail with ErrClosed. Closing a
// closed client does nothing. It always returns nil.
func (c *Client) Close() error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isClosed() {
		return nil
	}
	close(c.closed)
	if c.connection != nil {
		c.connection.close()
	}
	return nil
}

func (c *Client) isClosed() bool {
	select {
	case <-c.closed:
		return true
	default:
		return false
	}
}

// stubCall uses the stub once and checks what it returns.
type stubCall[R any] func(context.Context, *stub) (R, error)

// invoke runs one call of the service, from waiting for its turn to the checked reply.
func invoke[R any](ctx context.Context, c *Client, settings *callSettings, call stubCall[R]) (
	reply R, err error) {
	deadline, hasDeadline := ctx.Deadline()
	if !hasDeadline {
		deadline = time.Now().Add(c.options.Timeout)
	}
	if err := c.awaitTurn(ctx, deadline); err != nil {
		return reply, c.transportError(ctx, "wait", err)
	}
	defer func() { <-c.turn }()
	connection, err := c.ready(ctx, deadline)
	if err != nil {
		return reply, c.connectError(ctx, err)
	}
	release, err := connection.within(ctx, deadline)
	if err != nil {
		c.discard(connection)
		return reply, c.transportError(ctx, "write", err)
	}
	settings.setTimeLeft(deadline)
	reply, err = call(ctx, thriftscoreidl.NewScoringServiceClient(connection))
	if !release() || !leavesUsable(err) {
		c.discard(connection)
	}
	if err != nil {
		var none R
		return none, c.callerError(ctx, settings, err)
	}
	return reply, nil
}

// awaitTurn waits until no other call runs.
func (c *Client) awaitTurn(ctx context.Context, deadline time.Time) error {
	left := time.Until(deadline)
	switch {
	case c.isClosed():
		return ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	case left <= 0:
		return context.DeadlineExceeded
	}
	select {
	case c.turn <- struct{}{}:
		return nil
	default:
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case c.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return context.DeadlineExceeded
	case <-c.closed:
		return ErrClosed
	}
}

// ready returns the connection if it can carry a call, or else a new one.
func (c *Client) ready(ctx context.Context, deadline time.Time) (*connection, error) {
	if c.connection != nil {
		if c.connection.alive() {
			return c.connection, nil
		}
		c.discard(c.connection)
	}
	fresh, err := dial(ctx, c.address, c.options, deadline)
	if err != nil {
		return nil, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isClosed() {
		fresh.close()
		return nil, ErrClosed
	}
	c.connection = fresh
	return fresh, nil
}

// discard closes a connection and forgets it, so that the next call dials.
func (c *Client) discard(used *connection) {
	used.close()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.connection = nil
}

// setTimeLeft tells the server how long the caller will still wait, in whole milliseconds.
func (s *callSettings) setTimeLeft(deadline time.Time) {
	if s.context == nil {
		return
	}
	left := int32(min(max(1, time.Until(deadline).Milliseconds()), math.MaxInt32))
	s.context.DeadlineMs = &left
}

// leavesUsable reports whether the connection can carry the next call after one that ended so: in
// a reply, in an error that the contract declares, or before anything was sent.
func leavesUsable(err error) bool {
	var declared *thriftscoreidl.ScoringError
	return err == nil || errors.As(err, &declared) || errors.Is(err, ErrInvalidArgument)
}

// callerError turns what a call ended with into what its caller gets.
func (c *Client) callerError(ctx context.Context, settings *callSettings, err error) error {
	if errors.Is(err, ErrInvalidArgument) {
		return errors.Unwrap(err)
	}
	var declared *thriftscoreidl.ScoringError
	if errors.As(err, &declared) {
		return &ServerError{
			Code:       declared.Code,
			Message:    declared.Message,
			Retryable:  declared.Retryable,
			RetryAfter: time.Duration(declared.RetryAfterMs) * time.Millisecond,
			Endpoint:   c.endpoint,
			Model:      settings.model,
		}
	}
	var exception thrift.TApplicationException
	if errors.As(err, &exception) {
		return &ServerError{
			Code:     codeOfApplicationException(exception),
			Message:  exception.Error(),
			Endpoint: c.endpoint,
			Model:    settings.model,
		}
	}
	var failed *callError
	if errors.As(err, &failed) {
		return c.transportError(ctx, failed.operation, failed.error)
	}
	return c.transportError(ctx, "read", violation("%w", err))
}

func (c *Client) transportError(ctx context.Context, operation string, cause error) error {
	if c.isClosed() {
		return &TransportError{operation, c.endpoint, ErrClosed}
	}
	return &TransportError{operation, c.endpoint, classify(ctx, cause)}
}

// connectError is a transportError of dialling, which also wraps ErrConnectFailed.
func (c *Client) connectError(ctx context.Context, cause error) error {
	if c.isClosed() || errors.Is(ctx.Err(), context.Canceled) {
		return c.transportError(ctx, "connect", cause)
	}
	if isTimeout(cause) {
		cause = fmt.Errorf("%w: %w", ErrTimedOut, context.DeadlineExceeded)
	}
	return &TransportError{"connect", c.endpoint, fmt.Errorf("%w: %w", ErrConnectFailed, cause)}
}
