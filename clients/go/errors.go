// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// ErrorCode says what went wrong in terms that a caller can act on.
type ErrorCode = thriftscoreidl.ErrorCode

// One error for each code of the contract: errors.Is(err, ErrModelNotFound) asks for the code of
// a [*ServerError]. ErrInvalidArgument also marks arguments that were refused before anything was
// sent.
var (
	ErrInvalidArgument  = errors.New("invalid argument")
	ErrModelNotFound    = errors.New("model not found")
	ErrModelNotReady    = errors.New("model not ready")
	ErrDeadlineExceeded = errors.New("deadline exceeded at the server")
	ErrOverloaded       = errors.New("server overloaded")
	ErrUnauthenticated  = errors.New("unauthenticated")
	ErrPermissionDenied = errors.New("permission denied")
	ErrUnavailable      = errors.New("server unavailable")
	ErrUnimplemented    = errors.New("unimplemented")
	ErrInternal         = errors.New("internal error of the server")
)

// What a [*TransportError] can be, for errors.Is. A call that was cancelled is none of these but
// context.Canceled.
var (
	// ErrConnectFailed: there was no connection, so the request was certainly not processed.
	ErrConnectFailed = errors.New("connect failed")
	// ErrTimedOut: the deadline passed. Such an error is also context.DeadlineExceeded.
	ErrTimedOut = errors.New("timed out")
	// ErrConnectionLost: the connection broke; the request may have been processed.
	ErrConnectionLost = errors.New("connection lost")
	// ErrProtocolViolation: what came is not the reply to what was sent.
	ErrProtocolViolation = errors.New("protocol violation")
	// ErrClosed: the client was closed before or during the call.
	ErrClosed = errors.New("client closed")
)

var errorsByCode = map[ErrorCode]error{
	thriftscoreidl.ErrorCode_INVALID_ARGUMENT:  ErrInvalidArgument,
	thriftscoreidl.ErrorCode_MODEL_NOT_FOUND:   ErrModelNotFound,
	thriftscoreidl.ErrorCode_MODEL_NOT_READY:   ErrModelNotReady,
	thriftscoreidl.ErrorCode_DEADLINE_EXCEEDED: ErrDeadlineExceeded,
	thriftscoreidl.ErrorCode_OVERLOADED:        ErrOverloaded,
	thriftscoreidl.ErrorCode_UNAUTHENTICATED:   ErrUnauthenticated,
	thriftscoreidl.ErrorCode_PERMISSION_DENIED: ErrPermissionDenied,
	thriftscoreidl.ErrorCode_UNAVAILABLE:       ErrUnavailable,
	thriftscoreidl.ErrorCode_UNIMPLEMENTED:     ErrUnimplemented,
	thriftscoreidl.ErrorCode_INTERNAL:          ErrInternal,
}

// ServerError is the server's answer that it will not or cannot do what was asked.
type ServerError struct {
	Code ErrorCode
	// Message is one sentence: the thing, what was expected, what was received.
	Message string
	// Retryable is true where the same request may succeed later or at another server.
	Retryable bool
	// RetryAfter is how long to wait before a retry; 0 means no advice.
	RetryAfter time.Duration
	// Endpoint is the server that answered, as given to New; of a name, with the address.
	Endpoint string
	// Method is the method of the contract, such as "score".
	Method string
	// Model is the model that the call named; empty where it named none.
	Model string
	// Attempts is how many attempts the call took; this is the outcome of the last.
	Attempts int
}

// Error names the method, the model, the server, how many attempts there were, and the reason.
func (e *ServerError) Error() string {
	code := e.Code.String()
	if _, known := errorsByCode[e.Code]; !known {
		code = fmt.Sprintf("error code %d", int64(e.Code))
	}
	return fmt.Sprintf("thriftscore: %s: %s: %s",
		subject(e.Method, e.Model, e.Endpoint, e.Attempts), code, e.Message)
}

// subject says what an error is about.
func subject(method, model, endpoint string, attempts int) string {
	text := method
	if model != "" {
		text += fmt.Sprintf(" with model %q", model)
	}
	if endpoint != "" {
		text += " at " + endpoint
	}
	if attempts > 1 {
		text += fmt.Sprintf(", attempt %d", attempts)
	}
	return text
}

// Is reports whether target is the error of this code, such as ErrModelNotFound. The code
// DEADLINE_EXCEEDED is also context.DeadlineExceeded.
func (e *ServerError) Is(target error) bool {
	if sentinel, known := errorsByCode[e.Code]; known && target == sentinel {
		return true
	}
	return target == context.DeadlineExceeded &&
		e.Code == thriftscoreidl.ErrorCode_DEADLINE_EXCEEDED
}

// TransportError means that a call got no usable answer.
type TransportError struct {
	// Op is what was being done: "wait", "connect", "write" or "read".
	Op string
	// Endpoint is the server, as given to New; of a name, with the address. It is all that were
	// given where none had been chosen.
	Endpoint string
	// Method is the method of the contract, such as "score".
	Method string
	// Model is the model that the call named; empty where it named none.
	Model string
	// Attempts is how many attempts the call took; this is the outcome of the last.
	Attempts int
	// Err wraps one of ErrConnectFailed, ErrTimedOut, ErrConnectionLost, ErrProtocolViolation,
	// ErrClosed or context.Canceled, and the cause.
	Err error
}

// Error names the method, the model, the server, how many attempts there were, what was being done
// and the cause.
func (e *TransportError) Error() string {
	return fmt.Sprintf("thriftscore: %s: %s: %v",
		subject(e.Method, e.Model, e.Endpoint, e.Attempts), e.Op, e.Err)
}

// Unwrap returns Err.
func (e *TransportError) Unwrap() error { return e.Err }

// Timeout reports whether the deadline passed, as net.Error has it.
func (e *TransportError) Timeout() bool { return errors.Is(e.Err, ErrTimedOut) }

// errTimedOut is what every call ends with whose deadline passes.
var errTimedOut = fmt.Errorf("%w: %w", ErrTimedOut, context.DeadlineExceeded)

// classify says which of the transport errors a cause is, for a call under ctx.
func classify(ctx context.Context, cause error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case errors.Is(cause, ErrProtocolViolation), errors.Is(cause, ErrClosed):
		return cause
	case isTimeout(cause):
		return errTimedOut
	default:
		return fmt.Errorf("%w: %w", ErrConnectionLost, cause)
	}
}

func isTimeout(err error) bool {
	var network net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &network) && network.Timeout()
}

// violation describes an answer that is not the reply to what was sent.
func violation(format string, arguments ...any) error {
	return fmt.Errorf("%w: %w", ErrProtocolViolation, fmt.Errorf(format, arguments...))
}

// invalid describes arguments that cannot be sent.
func invalid(format string, arguments ...any) error {
	return fmt.Errorf("thriftscore: %w: %w", ErrInvalidArgument, fmt.Errorf(format, arguments...))
}

// codeOfApplicationException maps the exceptions that Thrift itself defines to the contract's.
func codeOfApplicationException(exception thrift.TApplicationException) ErrorCode {
	switch exception.TypeId() {
	case thrift.UNKNOWN_METHOD:
		return thriftscoreidl.ErrorCode_UNIMPLEMENTED
	case thrift.INVALID_MESSAGE_TYPE_EXCEPTION, thrift.PROTOCOL_ERROR:
		return thriftscoreidl.ErrorCode_INVALID_ARGUMENT
	default:
		return thriftscoreidl.ErrorCode_INTERNAL
	}
}
