// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/apache/thrift/lib/go/thrift"
)

const (
	// readBytesMin is what one read has room for: most replies arrive whole with the first.
	readBytesMin = 4096
	// reservedBytesMax is up to where the length that a frame claims is believed before its
	// bytes have arrived; beyond, memory grows with what has.
	reservedBytesMax = 1 << 20
	// detachedBytesMin is the size from which a reply keeps the buffer that it arrived in.
	detachedBytesMin = 1 << 16
)

// inbox cuts what arrives on a connection into messages. It is not safe for concurrent use. After
// an error that is a time-out it goes on where it was.
type inbox struct {
	source io.Reader
	codec  *codec
	buffer []byte // what has arrived
	start  int    // where the first byte is that was not handed out
}

// next returns the next message, for which it reads as much as it must. A message that is not
// detached is valid until the next call. Errors are those of reading, or wrap
// ErrProtocolViolation.
func (i *inbox) next() (received []byte, detached bool, err error) {
	if i.codec.options.Transport == Unframed {
		size, err := i.measure()
		if err != nil {
			return nil, false, err
		}
		received, detached = i.take(size)
		return received, detached, nil
	}
	size, err := i.frameSize()
	if err != nil {
		return nil, false, err
	}
	if err := i.fill(frameHeaderBytes + size); err != nil {
		return nil, false, err
	}
	frame, detached := i.take(frameHeaderBytes + size)
	received, err = i.codec.payload(frame[frameHeaderBytes:])
	return received, detached, err
}

// hasNext reports whether next has a message without reading. Of an unframed one it cannot know.
func (i *inbox) hasNext() bool {
	if i.codec.options.Transport == Unframed || i.unread() < frameHeaderBytes {
		return false
	}
	size := binary.BigEndian.Uint32(i.buffer[i.start:])
	return uint64(i.unread()-frameHeaderBytes) >= uint64(size)
}

// unread is how many bytes have arrived that were not handed out.
func (i *inbox) unread() int { return len(i.buffer) - i.start }

func (i *inbox) frameSize() (int, error) {
	if err := i.fill(frameHeaderBytes); err != nil {
		return 0, err
	}
	header := i.buffer[i.start : i.start+frameHeaderBytes]
	size := binary.BigEndian.Uint32(header)
	limit := i.codec.options.FrameBytesMax + i.codec.prefixBytes() - frameHeaderBytes
	if size == 0 || uint64(size) > uint64(limit) {
		return 0, violation("expected a frame of 1 to %d bytes, received the header %q (%d bytes)",
			limit, header, size)
	}
	return int(size), nil
}

// take hands out the first bytes that have arrived.
func (i *inbox) take(size int) (taken []byte, detached bool) {
	end := i.start + size
	taken = i.buffer[i.start:end:end]
	switch rest := i.buffer[end:]; {
	case size >= detachedBytesMin:
		i.buffer, i.start = append([]byte(nil), rest...), 0
		return taken, true
	case len(rest) == 0:
		i.buffer, i.start = i.buffer[:0], 0
	default:
		i.start = end
	}
	return taken, false
}

// fill reads until at least size bytes have arrived that were not handed out.
func (i *inbox) fill(size int) error {
	for i.unread() < size {
		i.makeRoom(size)
		count, err := i.source.Read(i.buffer[len(i.buffer):cap(i.buffer)])
		i.buffer = i.buffer[:len(i.buffer)+count]
		if errors.Is(err, io.EOF) && i.unread() < size {
			return fmt.Errorf("the server closed it after %d bytes of the reply: %w",
				i.unread(), io.ErrUnexpectedEOF)
		}
		if err != nil && i.unread() < size {
			return err
		}
	}
	return nil
}

// makeRoom makes room to read, for size bytes in all if that is little.
func (i *inbox) makeRoom(size int) {
	if i.start > 0 && cap(i.buffer)-i.start < max(size, readBytesMin) {
		i.buffer = append(i.buffer[:0], i.buffer[i.start:]...)
		i.start = 0
	}
	missing := min(i.start+size, reservedBytesMax) - len(i.buffer)
	if len(i.buffer) == cap(i.buffer) || missing > cap(i.buffer)-len(i.buffer) {
		i.buffer = slices.Grow(i.buffer, max(readBytesMin, len(i.buffer), missing))
	}
}

// measure finds out, by reading over it, how long the first message is: without frames only its
// last field tells. Reading starts over after a time-out; the bytes that have arrived are there.
func (i *inbox) measure() (int, error) {
	reader := &streamReader{inbox: i}
	protocol := i.codec.options.protocolOver(reader)
	ctx := context.Background()
	_, _, _, err := protocol.ReadMessageBegin(ctx)
	if err == nil {
		err = protocol.Skip(ctx, thrift.STRUCT)
	}
	switch {
	case reader.failure != nil:
		return 0, reader.failure
	case err != nil:
		return 0, violation("the reply cannot be read: %w", err)
	}
	return reader.position, nil
}

// streamReader reads from an inbox without taking anything out.
type streamReader struct {
	memory
	inbox    *inbox
	position int   // relative to the start of the inbox
	failure  error // of the inbox, which the protocol may wrap beyond recognition
}

// Read gives bytes that have arrived, and waits for at least one.
func (s *streamReader) Read(buffer []byte) (int, error) {
	if len(buffer) == 0 {
		return 0, nil
	}
	if limit := s.inbox.codec.options.FrameBytesMax; s.position >= limit {
		s.failure = violation("expected a reply of up to %d bytes, received more", limit)
		return 0, s.failure
	}
	if s.failure = s.inbox.fill(s.position + 1); s.failure != nil {
		return 0, s.failure
	}
	count := copy(buffer, s.inbox.buffer[s.inbox.start+s.position:])
	s.position += count
	return count, nil
}

// ReadByte gives one byte that has arrived, and waits for it.
func (s *streamReader) ReadByte() (byte, error) {
	var buffer [1]byte
	_, err := s.Read(buffer[:])
	return buffer[0], err
}

// RemainingBytes is not known before the end of a message.
func (s *streamReader) RemainingBytes() uint64 { return ^uint64(0) }
