// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"encoding/binary"
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

// Float is the type of a feature: float32 is sent as FP32, float64 as FP64. The model computes in
// its own precision whichever is sent.
type Float interface{ float32 | float64 }

// Features are rows to score or to normalise: Rows or Dense.
type Features interface {
	// encode returns the matrix as the contract has it.
	encode() (matrix, error)
}

// matrix is a row-major matrix of FP32 or FP64 as it is sent.
type matrix struct {
	data     []byte
	datatype DataType
	rows     int
	columns  int // 0 = not known, which only an empty matrix may be
}

// columnsField is the optional field `columns` of a request.
func (m matrix) columnsField() *int32 {
	if m.columns == 0 {
		return nil
	}
	columns := int32(m.columns)
	return &columns
}

// Rows are features as a slice of rows, all of the same length: Rows[float32]{{1, 2}, {3, 4}}. No
// rows at all is a valid, empty matrix.
type Rows[T Float] [][]T

func (r Rows[T]) encode() (matrix, error) {
	encoded := matrix{datatype: floatType[T](), rows: len(r)}
	if len(r) == 0 {
		return encoded, nil
	}
	if err := encoded.setColumns(len(r[0])); err != nil {
		return matrix{}, err
	}
	encoded.data = make([]byte, 0, len(r)*encoded.columns*itemBytes[T]())
	for index, row := range r {
		if len(row) != encoded.columns {
			return matrix{}, invalid("row 0 has %d values, row %d has %d",
				encoded.columns, index, len(row))
		}
		encoded.data = appendFloats(encoded.data, row)
	}
	return encoded, nil
}

// Dense are features as one slice: Columns values for each row, row after row.
type Dense[T Float] struct {
	Values  []T
	Columns int
}

func (d Dense[T]) encode() (matrix, error) {
	encoded := matrix{datatype: floatType[T]()}
	if err := encoded.setColumns(d.Columns); err != nil {
		return matrix{}, err
	}
	if len(d.Values)%d.Columns != 0 {
		return matrix{}, invalid("%d values are not whole rows of %d columns",
			len(d.Values), d.Columns)
	}
	encoded.rows = len(d.Values) / d.Columns
	encoded.data = appendFloats(make([]byte, 0, len(d.Values)*itemBytes[T]()), d.Values)
	return encoded, nil
}

func (m *matrix) setColumns(columns int) error {
	if columns < 1 || columns > math.MaxInt32 {
		return invalid("a row must have 1 to %d values, received %d", math.MaxInt32, columns)
	}
	m.columns = columns
	return nil
}

// SparseFeatures are rows to score in compressed sparse row form: CSR.
type SparseFeatures interface {
	encodeSparse() sparseMatrix
}

// sparseMatrix is a CSR matrix as it is sent.
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
	encoded := sparseMatrix{datatype: floatType[T](), rows: max(0, len(c.Indptr)-1)}
	encoded.indptr = make([]byte, 0, 8*len(c.Indptr))
	for _, offset := range c.Indptr {
		encoded.indptr = binary.LittleEndian.AppendUint64(encoded.indptr, uint64(offset))
	}
	encoded.indices = make([]byte, 0, 4*len(c.Indices))
	for _, column := range c.Indices {
		encoded.indices = binary.LittleEndian.AppendUint32(encoded.indices, uint32(column))
	}
	encoded.values = appendFloats(make([]byte, 0, len(c.Values)*itemBytes[T]()), c.Values)
	return encoded
}

func floatType[T Float]() DataType {
	if itemBytes[T]() == 4 {
		return FP32
	}
	return FP64
}

func itemBytes[T Float]() int {
	var zero T
	if _, isSingle := any(zero).(float32); isSingle {
		return 4
	}
	return 8
}

// appendFloats appends values in little-endian order.
func appendFloats[T Float](data []byte, values []T) []byte {
	begin, size := len(data), len(values)*itemBytes[T]()
	data = slices.Grow(data, size)[:begin+size]
	output := data[begin:]
	switch values := any(values).(type) {
	case []float32:
		for _, value := range values {
			binary.LittleEndian.PutUint32(output, math.Float32bits(value))
			output = output[4:]
		}
	case []float64:
		for _, value := range values {
			binary.LittleEndian.PutUint64(output, math.Float64bits(value))
			output = output[8:]
		}
	}
	return data
}
