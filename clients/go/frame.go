// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/apache/thrift/lib/go/thrift"
)

const (
	frameHeaderBytes = 4
	// readBytesMin is what one read has room for: most replies arrive whole with the first.
	readBytesMin = 4096
	// bufferKeptBytesMax is the size above which a buffer is given back after a call.
	bufferKeptBytesMax = 1 << 20
)

// frameTransport sends and receives one frame at a time: 4 bytes of length, big-endian, then the
// message. The protocol encodes into and decodes from its buffers, so that all I/O of a call is in
// send and receive: one write, and for most replies one read. It is not safe for concurrent use.
type frameTransport struct {
	connection    net.Conn
	frameBytesMax int
	outgoing      []byte // header and message
	incoming      []byte // as received, kept for its capacity
	unread        []byte // what the protocol has not read yet of the message in incoming
}

var _ thrift.TRichTransport = (*frameTransport)(nil)

// begin forgets what was left of the last call and starts an outgoing frame.
func (t *frameTransport) begin() {
	t.outgoing = append(kept(t.outgoing), make([]byte, frameHeaderBytes)...)
	t.incoming, t.unread = kept(t.incoming), nil
}

func kept(buffer []byte) []byte {
	if cap(buffer) > bufferKeptBytesMax {
		return nil
	}
	return buffer[:0]
}

// send writes the outgoing frame. A message above the limit is refused before anything is sent.
func (t *frameTransport) send() error {
	size := len(t.outgoing) - frameHeaderBytes
	if size > t.frameBytesMax {
		return invalid("the request has %d bytes, the limit FrameBytesMax is %d",
			size, t.frameBytesMax)
	}
	binary.BigEndian.PutUint32(t.outgoing, uint32(size))
	_, err := t.connection.Write(t.outgoing)
	return err
}

// receive reads one frame and makes its message readable. Memory grows with the bytes that have
// arrived, not with the length that the frame claims.
func (t *frameTransport) receive() error {
	size, err := t.receiveHeader()
	if err != nil {
		return err
	}
	end := frameHeaderBytes + size
	if err := t.fill(end); err != nil {
		return err
	}
	if len(t.incoming) > end {
		return violation("%d bytes follow the reply", len(t.incoming)-end)
	}
	t.unread = t.incoming[frameHeaderBytes:]
	return nil
}

func (t *frameTransport) receiveHeader() (int, error) {
	if err := t.fill(frameHeaderBytes); err != nil {
		return 0, err
	}
	header := t.incoming[:frameHeaderBytes]
	size := binary.BigEndian.Uint32(header)
	if size == 0 || uint64(size) > uint64(t.frameBytesMax) {
		return 0, violation("expected a frame of 1 to %d bytes, received the header %q (%d bytes)",
			t.frameBytesMax, header, size)
	}
	return int(size), nil
}

// fill reads until at least size bytes have arrived.
func (t *frameTransport) fill(size int) error {
	for len(t.incoming) < size {
		if len(t.incoming) == cap(t.incoming) {
			t.incoming = slices.Grow(t.incoming, max(readBytesMin, len(t.incoming)))
		}
		count, err := t.connection.Read(t.incoming[len(t.incoming):cap(t.incoming)])
		t.incoming = t.incoming[:len(t.incoming)+count]
		if errors.Is(err, io.EOF) && len(t.incoming) < size {
			return fmt.Errorf("the server closed it after %d bytes of the reply: %w",
				len(t.incoming), io.ErrUnexpectedEOF)
		}
		if err != nil && len(t.incoming) < size {
			return err
		}
	}
	return nil
}

// Read gives the protocol bytes of the received message.
func (t *frameTransport) Read(buffer []byte) (int, error) {
	if len(t.unread) == 0 && len(buffer) > 0 {
		return 0, io.ErrUnexpectedEOF
	}
	count := copy(buffer, t.unread)
	t.unread = t.unread[count:]
	return count, nil
}

// ReadByte gives the protocol one byte of the received message.
func (t *frameTransport) ReadByte() (byte, error) {
	if len(t.unread) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	value := t.unread[0]
	t.unread = t.unread[1:]
	return value, nil
}

// RemainingBytes bounds the containers that the received message can hold.
func (t *frameTransport) RemainingBytes() uint64 { return uint64(len(t.unread)) }

// Write takes bytes of the message to send.
func (t *frameTransport) Write(data []byte) (int, error) {
	t.outgoing = append(t.outgoing, data...)
	return len(data), nil
}

// WriteByte takes one byte of the message to send.
func (t *frameTransport) WriteByte(value byte) error {
	t.outgoing = append(t.outgoing, value)
	return nil
}

// WriteString takes bytes of the message to send.
func (t *frameTransport) WriteString(text string) (int, error) {
	t.outgoing = append(t.outgoing, text...)
	return len(text), nil
}

// Flush has nothing to do: send writes the whole frame.
func (t *frameTransport) Flush(context.Context) error { return nil }

// Open has nothing to do: the connection is dialled before it gets here.
func (t *frameTransport) Open() error { return nil }

// IsOpen is always true; whether the peer is still there, connection.alive finds out.
func (t *frameTransport) IsOpen() bool { return true }

// Close closes the connection.
func (t *frameTransport) Close() error { return t.connection.Close() }
