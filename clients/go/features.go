// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"math"
	"slices"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// DataType is the type of the elements of a matrix or tensor.
type DataType = thriftscoreidl.DataType

// Element types, with the names of the Open Inference Protocol.
const (
	Bool   = thriftscoreidl.DataType_BOOL
	Uint8  = thriftscoreidl.DataType_UINT8
	Uint16 = thriftscoreidl.DataType_UINT16
	Uint32 = thriftscoreidl.DataType_UINT32
	Uint64 = thriftscoreidl.DataType_UINT64
	Int8   = thriftscoreidl.DataType_INT8
	Int16  = thriftscoreidl.DataType_INT16
	Int32  = thriftscoreidl.DataType_INT32
	Int64  = thriftscoreidl.DataType_INT64
	FP16   = thriftscoreidl.DataType_FP16
	FP32   = thriftscoreidl.DataType_FP32
	FP64   = thriftscoreidl.DataType_FP64
	Bytes  = thriftscoreidl.DataType_BYTES
)

// Features are rows to score or to normalise: Rows, Dense or Row. They are read during the call and
// never changed.
type Features interface {
	// shape checks that the rows are a matrix.
	shape() (shape, error)
	// appendTo appends the numbers, little-endian, row after row.
	appendTo(data []byte) []byte
	// slice returns the rows from begin to before end.
	slice(begin, end int) Features
}

// shape is what a matrix is, besides its numbers.
type shape struct {
	datatype DataType
	rows     int
	columns  int // 0 = not known, which only an empty matrix may be
}

// bytes is the size of the numbers.
func (s shape) bytes() int { return s.rows * s.columns * elementBytes[s.datatype] }

// newShape checks a number of columns.
func newShape[T Float](rows, columns int) (shape, error) {
	if columns < 1 || columns > math.MaxInt32 {
		return shape{}, invalid("a row must have 1 to %d values, received %d",
			math.MaxInt32, columns)
	}
	return shape{floatType[T](), rows, columns}, nil
}

// Rows are features as a slice of rows, all of the same length: Rows[float32]{{1, 2}, {3, 4}}. A
// [][]float32 is converted without a copy. No rows at all is a valid, empty matrix.
type Rows[T Float] [][]T

func (r Rows[T]) shape() (shape, error) {
	if len(r) == 0 {
		return shape{datatype: floatType[T]()}, nil
	}
	columns := len(r[0])
	for index, row := range r {
		if len(row) != columns {
			return shape{}, invalid("row 0 has %d values, row %d has %d",
				columns, index, len(row))
		}
	}
	return newShape[T](len(r), columns)
}

func (r Rows[T]) appendTo(data []byte) []byte {
	if len(r) > 1 {
		data = slices.Grow(data, len(r)*len(r[0])*itemBytes[T]())
	}
	for _, row := range r {
		data = appendFloats(data, row)
	}
	return data
}

func (r Rows[T]) slice(begin, end int) Features { return r[begin:end] }

// Row is features of one row: Row[float32]{1, 2}.
type Row[T Float] []T

func (r Row[T]) shape() (shape, error) { return newShape[T](1, len(r)) }

func (r Row[T]) appendTo(data []byte) []byte { return appendFloats(data, r) }

func (r Row[T]) slice(begin, end int) Features { return Rows[T]{r}[begin:end] }

// Dense are features as one slice: Columns values for each row, row after row.
type Dense[T Float] struct {
	Values  []T
	Columns int
}

func (d Dense[T]) shape() (shape, error) {
	found, err := newShape[T](0, d.Columns)
	if err != nil {
		return shape{}, err
	}
	if len(d.Values)%d.Columns != 0 {
		return shape{}, invalid("%d values are not whole rows of %d columns",
			len(d.Values), d.Columns)
	}
	found.rows = len(d.Values) / d.Columns
	return found, nil
}

func (d Dense[T]) appendTo(data []byte) []byte { return appendFloats(data, d.Values) }

func (d Dense[T]) slice(begin, end int) Features {
	return Dense[T]{d.Values[begin*d.Columns : end*d.Columns], d.Columns}
}

// SparseFeatures are rows to score in compressed sparse row form: CSR. They are read during the
// call and never changed.
type SparseFeatures interface {
	// encodeSparse shows the arrays as they are; the server checks them.
	encodeSparse() sparseMatrix
	// countRows checks that the arrays are a matrix, apart from the indices.
	countRows() (int, error)
	// endOfChunk is the row before which a request from begin ends, of a matrix that was checked:
	// with rowsMax rows at most, half of bytesMax for their offsets and half for their values, but
	// with one row at least, as long as there are rows.
	endOfChunk(begin, rowsMax, bytesMax int) int
	// slice returns the rows from begin to before end, of a matrix that was checked.
	slice(begin, end int) SparseFeatures
}

// sparseMatrix is a CSR matrix as it is sent. Where numbers in memory look as they do on the wire,
// it is the caller's memory.
type sparseMatrix struct {
	indptr, indices, values []byte
	datatype                DataType
	rows                    int
}

// CSR is a matrix in compressed sparse row form: row r has Values[Indptr[r]:Indptr[r+1]] in the
// columns Indices[Indptr[r]:Indptr[r+1]], which rise, and 0 elsewhere.
type CSR[T Float] struct {
	Indptr  []int64 // one more than rows: from 0, never falling, to the number of values
	Indices []int32
	Values  []T
}

const (
	offsetBytes = 8 // of Indptr
	indexBytes  = 4 // of Indices
)

func (c CSR[T]) encodeSparse() sparseMatrix {
	return sparseMatrix{
		indptr:   littleEndian(c.Indptr),
		indices:  littleEndian(c.Indices),
		values:   littleEndian(c.Values),
		datatype: floatType[T](),
		rows:     max(0, len(c.Indptr)-1),
	}
}

func (c CSR[T]) countRows() (int, error) {
	count := len(c.Indices)
	if len(c.Values) != count {
		return 0, invalid("Values: expected %d, one for each of Indices, received %d",
			count, len(c.Values))
	}
	if len(c.Indptr) == 0 {
		return 0, invalid("Indptr: expected rows + 1 offsets from 0, received none")
	}
	if c.Indptr[0] != 0 {
		return 0, invalid("Indptr: expected rows + 1 offsets from 0, received %d", c.Indptr[0])
	}
	rows := len(c.Indptr) - 1
	for row, end := range c.Indptr[1:] {
		if begin := c.Indptr[row]; end < begin {
			return 0, invalid("Indptr: expected offsets that never fall, "+
				"received %d and then %d for row %d", begin, end, row)
		}
	}
	if last := c.Indptr[rows]; last != int64(count) {
		return 0, invalid("Indptr: expected its last offset to be %d, the number of Indices, "+
			"received %d", count, last)
	}
	return rows, nil
}

func (c CSR[T]) endOfChunk(begin, rowsMax, bytesMax int) int {
	rows := len(c.Indptr) - 1
	rowsMax = min(rowsMax, bytesMax/2/offsetBytes, rows-begin)
	valuesMax := bytesMax / 2 / (indexBytes + itemBytes[T]())
	ends := c.Indptr[begin+1 : begin+1+rowsMax]
	// A row fits if it ends before this offset.
	fitting, _ := slices.BinarySearch(ends, c.Indptr[begin]+int64(valuesMax)+1)
	return min(begin+max(1, fitting), rows)
}

func (c CSR[T]) slice(begin, end int) SparseFeatures {
	first, last := c.Indptr[begin], c.Indptr[end]
	offsets := make([]int64, 0, end-begin+1)
	for _, offset := range c.Indptr[begin : end+1] {
		offsets = append(offsets, offset-first)
	}
	return CSR[T]{offsets, c.Indices[first:last], c.Values[first:last]}
}
