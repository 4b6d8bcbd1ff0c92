// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"encoding/binary"
	"math"
	"slices"
	"unsafe"
)

// Float is the type of a feature: float32 is sent as FP32, float64 as FP64. The model computes in
// its own precision whichever is sent.
type Float interface{ float32 | float64 }

// isLittleEndian is true where numbers in memory look as they do on the wire.
var isLittleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

func floatType[T Float]() DataType {
	if itemBytes[T]() == 4 {
		return FP32
	}
	return FP64
}

func itemBytes[T Float]() int {
	var zero T
	return int(unsafe.Sizeof(zero))
}

// bytesOf shows numbers as the bytes they are in memory. It is never nil.
func bytesOf[T Float | int32 | int64](values []T) []byte {
	if len(values) == 0 {
		return []byte{}
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))),
		len(values)*int(unsafe.Sizeof(values[0])))
}

// littleEndian shows numbers as bytes in little-endian order, without a copy if it can.
func littleEndian[T Float | int32 | int64](values []T) []byte {
	data := bytesOf(values)
	if !isLittleEndian && len(values) > 0 {
		data = slices.Clone(data)
		swapBytes(data, int(unsafe.Sizeof(values[0])))
	}
	return data
}

// appendFloats appends values in little-endian order.
func appendFloats[T Float](data []byte, values []T) []byte {
	begin := len(data)
	data = append(data, bytesOf(values)...)
	if !isLittleEndian {
		swapBytes(data[begin:], itemBytes[T]())
	}
	return data
}

// swapBytes turns the order of the bytes in each item around.
func swapBytes(data []byte, size int) {
	for ; len(data) >= size; data = data[size:] {
		slices.Reverse(data[:size])
	}
}

// decodeFloats returns the numbers in data, of 4 or 8 bytes each, in double precision.
func decodeFloats(data []byte, size, count int) []float64 {
	values := make([]float64, count)
	if size == 4 {
		for index := range values {
			values[index] = float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
			data = data[4:]
		}
		return values
	}
	copy(bytesOf(values), data)
	if !isLittleEndian {
		swapBytes(bytesOf(values), size)
	}
	return values
}
