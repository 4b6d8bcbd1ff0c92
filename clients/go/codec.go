// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"encoding/binary"
	"sync"

	"github.com/apache/thrift/lib/go/thrift"
)

const (
	// frameHeaderBytes is the length before a frame, big-endian.
	frameHeaderBytes = 4
	// headerBytes is the shortest THeader before a message: magic, flags, sequence id, size of
	// what follows in words, then the protocol, no transforms and two bytes of padding.
	headerBytes      = 14
	headerFixedBytes = 10
	headerMagic      = 0x0fff
)

// message is one message of a call in memory, with the protocol to write or read it.
type message struct {
	memory
	protocol thrift.TProtocol
}

// codec turns calls into bytes and back, as one transport and one protocol have it. It is safe for
// concurrent use.
type codec struct {
	options  Options
	messages sync.Pool // of *message
}

func newCodec(options Options) *codec {
	c := &codec{options: options}
	c.messages.New = func() any {
		blank := &message{}
		blank.protocol = options.protocolOver(&blank.memory)
		return blank
	}
	return c
}

// blank returns an empty message, which is to be recycled.
func (c *codec) blank() *message { return c.messages.Get().(*message) }

func (c *codec) recycle(used *message) {
	used.written, used.unread = kept(used.written), nil
	c.messages.Put(used)
}

// encode returns the bytes of a call as they are sent, in a message that is to be recycled. A
// message above the limit is refused, with an error that wraps ErrInvalidArgument.
func (c *codec) encode(ctx context.Context, sequence int32, call *call) (*message, error) {
	encoded := c.blank()
	prefix := c.prefixBytes()
	encoded.written = append(encoded.written, make([]byte, prefix)...)
	if err := call.write(ctx, encoded, sequence); err != nil {
		c.recycle(encoded)
		return nil, err
	}
	if size := len(encoded.written) - prefix; size > c.options.FrameBytesMax {
		c.recycle(encoded)
		return nil, invalid("the request has %d bytes, the limit FrameBytesMax is %d",
			size, c.options.FrameBytesMax)
	}
	c.putPrefix(encoded.written, sequence)
	return encoded, nil
}

// prefixBytes is what the transport puts before a message.
func (c *codec) prefixBytes() int {
	switch c.options.Transport {
	case Unframed:
		return 0
	case Header:
		return frameHeaderBytes + headerBytes
	default:
		return frameHeaderBytes
	}
}

func (c *codec) putPrefix(data []byte, sequence int32) {
	if c.options.Transport == Unframed {
		return
	}
	binary.BigEndian.PutUint32(data, uint32(len(data)-frameHeaderBytes))
	if c.options.Transport == Framed {
		return
	}
	header := data[frameHeaderBytes:]
	binary.BigEndian.PutUint16(header, headerMagic)
	binary.BigEndian.PutUint16(header[2:], 0)
	binary.BigEndian.PutUint32(header[4:], uint32(sequence))
	binary.BigEndian.PutUint16(header[8:], (headerBytes-headerFixedBytes)/4)
	header[10], header[11], header[12], header[13] = c.headerProtocol(), 0, 0, 0
}

// headerProtocol is the number that THeader has for the protocol.
func (c *codec) headerProtocol() byte {
	if c.options.Protocol == Compact {
		return byte(thrift.THeaderProtocolCompact)
	}
	return byte(thrift.THeaderProtocolBinary)
}

// payload returns the message in a frame: all of it, or what follows the THeader. A THeader may
// hold information, which is passed over, and no transforms, for none were asked for.
func (c *codec) payload(frame []byte) ([]byte, error) {
	if c.options.Transport != Header {
		return frame, nil
	}
	if len(frame) < headerBytes || binary.BigEndian.Uint16(frame) != headerMagic {
		return nil, violation("expected a THeader, received %.14q", frame)
	}
	end := headerFixedBytes + 4*int(binary.BigEndian.Uint16(frame[8:]))
	if end < headerBytes || end > len(frame) {
		return nil, violation("a THeader that ends at byte %d of a frame of %d", end, len(frame))
	}
	if frame[10] != c.headerProtocol() || frame[11] != 0 {
		return nil, violation("expected protocol %d and 0 transforms, received %d and %d",
			c.headerProtocol(), frame[10], frame[11])
	}
	return frame[end:], nil
}
