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

// SparseFeatures are rows to score in compressed sparse row form: CSR.
type SparseFeatures interface {
	encodeSparse() sparseMatrix
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
	Indptr  []int64 // one more than rows
	Indices []int32
	Values  []T
}

func (c CSR[T]) encodeSparse() sparseMatrix {
	return sparseMatrix{
		indptr:   littleEndian(c.Indptr),
		indices:  littleEndian(c.Indices),
		values:   littleEndian(c.Values),
		datatype: floatType[T](),
		rows:     max(0, len(c.Indptr)-1),
	}
}
