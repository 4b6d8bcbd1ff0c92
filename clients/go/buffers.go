// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"io"

	"github.com/apache/thrift/lib/go/thrift"
)

// bufferKeptBytesMax is the size above which a buffer is given back after a call.
const bufferKeptBytesMax = 1 << 20

func kept(buffer []byte) []byte {
	if cap(buffer) > bufferKeptBytesMax {
		return nil
	}
	return buffer[:0]
}

// memory is what the protocols of the Thrift library write messages to and read them from: all I/O
// is done elsewhere, on whole messages. It is not safe for concurrent use.
type memory struct {
	written []byte
	unread  []byte
}

var _ thrift.TRichTransport = (*memory)(nil)

// Read gives the protocol bytes of the received message.
func (m *memory) Read(buffer []byte) (int, error) {
	if len(m.unread) == 0 && len(buffer) > 0 {
		return 0, io.ErrUnexpectedEOF
	}
	count := copy(buffer, m.unread)
	m.unread = m.unread[count:]
	return count, nil
}

// ReadByte gives the protocol one byte of the received message.
func (m *memory) ReadByte() (byte, error) {
	if len(m.unread) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	value := m.unread[0]
	m.unread = m.unread[1:]
	return value, nil
}

// RemainingBytes bounds the containers that the received message can hold.
func (m *memory) RemainingBytes() uint64 { return uint64(len(m.unread)) }

// Write takes bytes of the message to send.
func (m *memory) Write(data []byte) (int, error) {
	m.written = append(m.written, data...)
	return len(data), nil
}

// WriteByte takes one byte of the message to send.
func (m *memory) WriteByte(value byte) error {
	m.written = append(m.written, value)
	return nil
}

// WriteString takes bytes of the message to send.
func (m *memory) WriteString(text string) (int, error) {
	m.written = append(m.written, text...)
	return len(text), nil
}

// Flush has nothing to do.
func (m *memory) Flush(context.Context) error { return nil }

// Open has nothing to do.
func (m *memory) Open() error { return nil }

// IsOpen is always true.
func (m *memory) IsOpen() bool { return true }

// Close has nothing to do.
func (m *memory) Close() error { return nil }
