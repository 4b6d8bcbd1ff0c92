// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// where is what a message says an error was about.
type where struct {
	call     *call
	endpoint string
	attempts int
}

// callerError turns what an attempt ended with into what the caller gets.
func (c *Client) callerError(ctx context.Context, at where, err error) error {
	var declared *thriftscoreidl.ScoringError
	var exception thrift.TApplicationException
	var failed *callError
	switch {
	case errors.As(err, &declared):
		return at.serverError(declared)
	case errors.As(err, &exception):
		return at.serverError(&thriftscoreidl.ScoringError{
			Code: codeOfApplicationException(exception), Message: exception.Error(),
		})
	case errors.As(err, &failed) && failed.operation == "connect":
		return c.connectError(ctx, at, failed.error)
	case errors.As(err, &failed):
		return c.transportError(ctx, at, failed.operation, failed.error)
	case errors.Is(err, ErrInvalidArgument):
		return err
	default:
		return c.transportError(ctx, at, "wait", err)
	}
}

func (w where) serverError(declared *thriftscoreidl.ScoringError) error {
	return &ServerError{
		Code:       declared.Code,
		Message:    declared.Message,
		Retryable:  declared.Retryable,
		RetryAfter: time.Duration(max(0, declared.RetryAfterMs)) * time.Millisecond,
		Endpoint:   w.endpoint,
		Method:     w.call.method,
		Model:      w.call.model,
		Attempts:   w.attempts,
	}
}

func (c *Client) transportError(ctx context.Context, at where, operation string,
	cause error) error {
	if c.isClosed() {
		cause = ErrClosed
	}
	return at.transportError(operation, classify(ctx, cause))
}

// connectError is a transportError of dialling, which also wraps ErrConnectFailed.
func (c *Client) connectError(ctx context.Context, at where, cause error) error {
	if c.isClosed() || errors.Is(ctx.Err(), context.Canceled) {
		return c.transportError(ctx, at, "connect", cause)
	}
	if isTimeout(cause) {
		cause = errTimedOut
	}
	return at.transportError("connect", fmt.Errorf("%w: %w", ErrConnectFailed, cause))
}

func (w where) transportError(operation string, err error) error {
	return &TransportError{
		Op:       operation,
		Endpoint: w.endpoint,
		Method:   w.call.method,
		Model:    w.call.model,
		Attempts: w.attempts,
		Err:      err,
	}
}
