// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// What carries matrices is written and read here rather than by the generated code, field by field
// with the same protocols, so that the numbers are copied once: from the caller's memory to the
// message, and from the message to the result.

// matrixRequest is the argument of score, normalize and denormalize: a ScoreRequest or a
// NormalizeRequest, which differ in the names of their fields only.
type matrixRequest struct {
	*callSettings
	features Features
	shape    shape
}

// newMatrixCall makes a call of one of these methods.
func (s *callSettings) newMatrixCall(method string, features Features) (*call, error) {
	if features == nil {
		return nil, invalid("features are nil")
	}
	shape, err := features.shape()
	if err != nil {
		return nil, err
	}
	return &call{
		callSettings: s,
		method:       method,
		arguments:    &matrixRequest{s, features, shape},
		decode:       matrixDecoder{s, shape.rows}.decode,
	}, nil
}

// Write writes the arguments: the request is the first and only one.
func (r *matrixRequest) Write(ctx context.Context, to thrift.TProtocol) error {
	err := errors.Join(
		to.WriteStructBegin(ctx, "args"),
		to.WriteFieldBegin(ctx, "request", thrift.STRUCT, 1),
		r.writeRequest(ctx, to),
		to.WriteFieldEnd(ctx),
		to.WriteFieldStop(ctx),
		to.WriteStructEnd(ctx))
	return err
}

func (r *matrixRequest) writeRequest(ctx context.Context, to thrift.TProtocol) error {
	err := errors.Join(
		to.WriteStructBegin(ctx, "ScoreRequest"),
		to.WriteFieldBegin(ctx, "model_name", thrift.STRING, 1),
		to.WriteString(ctx, r.model),
		to.WriteFieldEnd(ctx),
		to.WriteFieldBegin(ctx, "model_version", thrift.STRING, 2),
		to.WriteString(ctx, r.version),
		to.WriteFieldEnd(ctx),
		to.WriteFieldBegin(ctx, "features", thrift.STRING, 3),
		r.writeFeatures(ctx, to),
		to.WriteFieldEnd(ctx),
		to.WriteFieldBegin(ctx, "datatype", thrift.I32, 4),
		to.WriteI32(ctx, int32(r.shape.datatype)),
		to.WriteFieldEnd(ctx),
		to.WriteFieldBegin(ctx, "context", thrift.STRUCT, 5),
		r.context.Write(ctx, to),
		to.WriteFieldEnd(ctx))
	if r.shape.columns > 0 {
		err = errors.Join(err,
			to.WriteFieldBegin(ctx, "columns", thrift.I32, 6),
			to.WriteI32(ctx, int32(r.shape.columns)),
			to.WriteFieldEnd(ctx))
	}
	return errors.Join(err, to.WriteFieldStop(ctx), to.WriteStructEnd(ctx))
}

// writeFeatures writes a value of type binary: its length, as the protocol has it, and its bytes.
func (r *matrixRequest) writeFeatures(ctx context.Context, to thrift.TProtocol) error {
	message := to.Transport().(*memory)
	size := r.shape.bytes()
	if _, isCompact := to.(*thrift.TCompactProtocol); isCompact {
		message.written = binary.AppendUvarint(message.written, uint64(size))
	} else if err := to.WriteI32(ctx, int32(size)); err != nil {
		return err
	}
	message.written = r.features.appendTo(message.written)
	return nil
}

// matrixDecoder reads the result of a method that answers with a matrix.
type matrixDecoder struct {
	settings *callSettings
	rows     int // of the request
}

func (d matrixDecoder) decode(ctx context.Context, from *message) (any, error) {
	var reply matrixReply
	var declared *thriftscoreidl.ScoringError
	isSet := false
	err := readFields(ctx, from.protocol, func(id int16, kind thrift.TType) (bool, error) {
		switch {
		case id == 0 && kind == thrift.STRUCT:
			isSet = true
			return true, reply.read(ctx, from)
		case id == 1 && kind == thrift.STRUCT:
			declared = thriftscoreidl.NewScoringError()
			return true, declared.Read(ctx, from.protocol)
		default:
			return false, nil
		}
	})
	switch {
	case err != nil:
		return nil, err
	case declared != nil:
		return nil, declared
	case !isSet:
		return nil, errNoResult
	}
	if err := d.settings.checkEcho(reply.requestID); err != nil {
		return nil, err
	}
	return reply.result(d.rows)
}

// matrixReply is a ScoreResponse or a NormalizeResponse, which differ in the names of their fields
// only.
type matrixReply struct {
	data         []byte // part of the message
	datatype     DataType
	rows         int64
	columns      int32
	modelVersion string
	requestID    *string
}

func (r *matrixReply) read(ctx context.Context, from *message) error {
	r.datatype = FP32
	protocol := from.protocol
	return readFields(ctx, protocol, func(id int16, kind thrift.TType) (known bool, err error) {
		switch {
		case id == 1 && kind == thrift.STRING:
			r.data, err = from.readBinary(ctx)
		case id == 2 && kind == thrift.I32:
			var number int32
			number, err = protocol.ReadI32(ctx)
			r.datatype = DataType(number)
		case id == 3 && kind == thrift.I64:
			r.rows, err = protocol.ReadI64(ctx)
		case id == 4 && kind == thrift.I32:
			r.columns, err = protocol.ReadI32(ctx)
		case id == 5 && kind == thrift.STRING:
			r.modelVersion, err = protocol.ReadString(ctx)
		case id == 6 && kind == thrift.STRING:
			var text string
			text, err = protocol.ReadString(ctx)
			r.requestID = &text
		default:
			return false, nil
		}
		return true, err
	})
}

// readBinary reads a value of type binary without copying it.
func (m *message) readBinary(ctx context.Context) ([]byte, error) {
	size := uint64(0)
	if _, isCompact := m.protocol.(*thrift.TCompactProtocol); isCompact {
		length, used := binary.Uvarint(m.unread)
		if used <= 0 {
			return nil, errors.New("the length of a value is none")
		}
		m.unread, size = m.unread[used:], length
	} else {
		length, err := m.protocol.ReadI32(ctx)
		if err != nil {
			return nil, err
		}
		size = uint64(uint32(length))
	}
	if size > uint64(len(m.unread)) {
		return nil, errors.New("a value is longer than its message")
	}
	value := m.unread[:size]
	m.unread = m.unread[size:]
	return value, nil
}

// readFields reads a struct: each field with the function, or over it where that does not know it.
func readFields(ctx context.Context, from thrift.TProtocol,
	read func(id int16, kind thrift.TType) (known bool, err error)) error {
	if _, err := from.ReadStructBegin(ctx); err != nil {
		return err
	}
	for {
		_, kind, id, err := from.ReadFieldBegin(ctx)
		if err != nil {
			return err
		}
		if kind == thrift.STOP {
			return from.ReadStructEnd(ctx)
		}
		known, err := read(id, kind)
		if err == nil && !known {
			err = from.Skip(ctx, kind)
		}
		if err == nil {
			err = from.ReadFieldEnd(ctx)
		}
		if err != nil {
			return err
		}
	}
}
