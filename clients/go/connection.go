// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/apache/thrift/lib/go/thrift"
)

// longAgo is a deadline that ends all pending and later I/O at once.
var longAgo = time.Unix(1, 0)

// connection is one connection to a server with one call at a time on it. Only close and interrupt
// may be called while another goroutine is in a call.
type connection struct {
	socket   net.Conn
	frames   *frameTransport
	protocol thrift.TProtocol
	sequence int32
}

var _ thrift.TClient = (*connection)(nil)

// dial connects within the deadline and the connect timeout.
func dial(ctx context.Context, to address, options Options, deadline time.Time) (
	*connection, error) {
	dialer := net.Dialer{Timeout: options.ConnectTimeout, Deadline: deadline}
	socket, err := dialer.DialContext(ctx, to.network, to.target)
	if err != nil {
		return nil, err
	}
	if tcp, isTCP := socket.(*net.TCPConn); isTCP {
		if err := tcp.SetNoDelay(true); err != nil {
			_ = socket.Close()
			return nil, err
		}
	}
	return newConnection(socket, options), nil
}

func newConnection(socket net.Conn, options Options) *connection {
	frames := &frameTransport{connection: socket, frameBytesMax: options.FrameBytesMax}
	return &connection{socket: socket, frames: frames, protocol: options.protocolOver(frames)}
}

// within bounds all I/O until the returned function is called: by the deadline, and by ctx where it
// can be cancelled. That function returns false if ctx was done, after which the connection must
// not be used again.
func (c *connection) within(ctx context.Context, deadline time.Time) (
	release func() bool, err error) {
	if err := c.socket.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if ctx.Done() == nil {
		return func() bool { return true }, nil
	}
	return context.AfterFunc(ctx, c.interrupt), nil
}

// interrupt ends the I/O of the call in progress.
func (c *connection) interrupt() { _ = c.socket.SetDeadline(longAgo) }

func (c *connection) close() { _ = c.socket.Close() }

// callError is a failure of a call with what was being done.
type callError struct {
	operation string
	error
}

func (e *callError) Unwrap() error { return e.error }

// Call sends one call and reads its reply into result. It implements thrift.TClient for the
// generated code. Errors are a thrift.TApplicationException, which the server sent, or a
// *callError, after which the state of the connection is unknown, or local and wrap
// ErrInvalidArgument.
func (c *connection) Call(ctx context.Context, method string, arguments, result thrift.TStruct) (
	thrift.ResponseMeta, error) {
	var none thrift.ResponseMeta
	c.sequence++
	if err := c.encode(ctx, method, arguments); err != nil {
		return none, &callError{"write", err}
	}
	if err := c.frames.send(); err != nil {
		return none, &callError{"write", err}
	}
	if err := c.frames.receive(); err != nil {
		return none, &callError{"read", err}
	}
	exception, err := c.decode(ctx, method, result)
	if err != nil {
		return none, &callError{"read", err}
	}
	if exception != nil {
		return none, exception
	}
	return none, nil
}

func (c *connection) encode(ctx context.Context, method string, arguments thrift.TStruct) error {
	c.frames.begin()
	if err := c.protocol.WriteMessageBegin(ctx, method, thrift.CALL, c.sequence); err != nil {
		return err
	}
	if err := arguments.Write(ctx, c.protocol); err != nil {
		return err
	}
	return c.protocol.WriteMessageEnd(ctx)
}

// decode reads the received message, which must be the whole reply to the call and nothing else.
func (c *connection) decode(ctx context.Context, method string, result thrift.TStruct) (
	exception thrift.TApplicationException, err error) {
	name, kind, sequence, err := c.protocol.ReadMessageBegin(ctx)
	if err != nil {
		return nil, violation("the reply to %s cannot be read: %w", method, err)
	}
	if name != method || sequence != c.sequence {
		return nil, violation("expected the reply to %s number %d, received %.200q number %d",
			method, c.sequence, name, sequence)
	}
	switch kind {
	case thrift.REPLY:
		err = readResult(ctx, c.protocol, result)
	case thrift.EXCEPTION:
		exception = thrift.NewTApplicationException(thrift.UNKNOWN_APPLICATION_EXCEPTION, "")
		err = exception.Read(ctx, c.protocol)
	default:
		return nil, violation("expected a reply to %s, received message type %d", method, kind)
	}
	if err != nil {
		return nil, violation("the reply to %s cannot be read: %w", method, err)
	}
	if rest := c.frames.RemainingBytes(); rest > 0 {
		return nil, violation("%d bytes follow the reply to %s in its frame", rest, method)
	}
	return exception, nil
}

// outcome is a generated result struct.
type outcome interface {
	IsSetSuccess() bool
	IsSetError() bool
}

// readResult reads a result, which must have a value or an error: the generated stub would take the
// lack of both for false or for an empty list.
func readResult(ctx context.Context, protocol thrift.TProtocol, result thrift.TStruct) error {
	if err := result.Read(ctx, protocol); err != nil {
		return err
	}
	if ends, known := result.(outcome); known && !ends.IsSetSuccess() && !ends.IsSetError() {
		return errors.New("it has neither a result nor an error")
	}
	return nil
}
