// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// call is one call of the service as its caller made it, however many attempts it takes.
type call struct {
	*callSettings
	method    string
	arguments interface {
		Write(context.Context, thrift.TProtocol) error
	}
	// decode reads the result and checks it. Errors are a *thriftscoreidl.ScoringError, which the
	// server sent, or say what is wrong with the reply.
	decode func(context.Context, *message) (any, error)

	mutex   sync.Mutex // guards the fields below and what arguments point to
	isEnded bool
}

// errEnded is for an attempt whose call has ended before it was sent.
var errEnded = errors.New("the call has ended")

// begin writes the call into a message, for an attempt that has until the deadline. Once the call
// has ended it does not touch the arguments, which are their owner's again.
func (c *call) begin(codec *codec, sequence int32, deadline time.Time) (*message, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.isEnded {
		return nil, errEnded
	}
	c.setTimeLeft(deadline)
	return codec.encode(context.Background(), sequence, c)
}

// end says that no attempt is to be begun from now on.
func (c *call) end() {
	c.mutex.Lock()
	c.isEnded = true
	c.mutex.Unlock()
}

// write writes the call without what the transport adds.
func (c *call) write(ctx context.Context, to *message, sequence int32) error {
	err := to.protocol.WriteMessageBegin(ctx, c.method, thrift.CALL, sequence)
	if err != nil {
		return err
	}
	if err := c.arguments.Write(ctx, to.protocol); err != nil {
		return err
	}
	return to.protocol.WriteMessageEnd(ctx)
}

// setTimeLeft tells the server how long the caller will still wait, in whole milliseconds.
func (s *callSettings) setTimeLeft(deadline time.Time) {
	if s.context == nil {
		return
	}
	s.deadlineMs = int32(min(max(1, time.Until(deadline).Milliseconds()), math.MaxInt32))
	s.context.DeadlineMs = &s.deadlineMs
}

// read reads the reply, which must be all of its message. Errors are a thrift.TApplicationException
// or a *thriftscoreidl.ScoringError, which the server sent, or wrap ErrProtocolViolation.
func (c *call) read(codec *codec, received []byte) (reply any, err error) {
	parsed, err := parseHead(received, codec.options.Protocol)
	if err != nil {
		return nil, err
	}
	from := codec.blank()
	defer codec.recycle(from)
	from.unread = parsed.body
	var exception thrift.TApplicationException
	switch parsed.kind {
	case thrift.REPLY:
		reply, err = c.decode(context.Background(), from)
	case thrift.EXCEPTION:
		exception = thrift.NewTApplicationException(thrift.UNKNOWN_APPLICATION_EXCEPTION, "")
		err = exception.Read(context.Background(), from.protocol)
	default:
		return nil, violation("expected a reply to %s, received message type %d",
			c.method, parsed.kind)
	}
	if err != nil && !isDeclared(err) {
		return nil, violation("the reply to %s cannot be read: %w", c.method, err)
	}
	if rest := len(from.unread); rest > 0 {
		return nil, violation("%d bytes follow the reply to %s in its frame", rest, c.method)
	}
	if exception != nil {
		return nil, exception
	}
	return reply, err
}

func isDeclared(err error) bool {
	var declared *thriftscoreidl.ScoringError
	return errors.As(err, &declared)
}

// outcome is a generated result struct.
type outcome interface {
	thrift.TStruct
	IsSetSuccess() bool
	GetError() *thriftscoreidl.ScoringError
}

// readResult reads a result, which must have a value or an error.
func readResult(ctx context.Context, from *message, result outcome) error {
	if err := result.Read(ctx, from.protocol); err != nil {
		return err
	}
	if declared := result.GetError(); declared != nil {
		return declared
	}
	if !result.IsSetSuccess() {
		return errNoResult
	}
	return nil
}

var errNoResult = errors.New("it has neither a result nor an error")

// decodePlain is decode for a result R whose value S needs no more checks.
func decodePlain[S, R any, P interface {
	*R
	outcome
	GetSuccess() S
}](ctx context.Context, from *message) (any, error) {
	result := P(new(R))
	if err := readResult(ctx, from, result); err != nil {
		return nil, err
	}
	return result.GetSuccess(), nil
}
