// SPDX-License-Identifier: Apache-2.0

package thriftscore

// Result is a matrix of numbers that a model made: scores, or normalised rows.
type Result struct {
	// Values are the rows one after the other. FP32 results are widened, which is exact.
	Values []float64
	// Rows is the number of rows, as many as were sent, in their order.
	Rows int
	// Columns is the number of values for a row. Of scores there is 1 for regression and binary
	// classification, else one for each class.
	Columns int
	// Datatype is the type of the values on the wire: for scores the model's precision.
	Datatype DataType
	// ModelVersion is the version that answered, as a number.
	ModelVersion string
	// RequestID is that of the request; empty where it had none.
	RequestID string
}

// Row returns the values of row index, 0 to Rows-1, as part of Values.
func (r *Result) Row(index int) []float64 {
	return r.Values[index*r.Columns : (index+1)*r.Columns : (index+1)*r.Columns]
}

// result makes a Result of a reply to a request of so many rows.
func (r *matrixReply) result(rows int) (*Result, error) {
	result := &Result{
		Rows:         int(r.rows),
		Columns:      int(r.columns),
		Datatype:     r.datatype,
		ModelVersion: r.modelVersion,
	}
	if r.requestID != nil {
		result.RequestID = *r.requestID
	}
	return result.decode(r.data, rows)
}

// decode returns r with Values from data, which must have the shape that the reply says, and the
// rows of the request.
func (r *Result) decode(data []byte, rows int) (*Result, error) {
	if r.Rows != rows || r.Columns < 0 || (r.Datatype != FP32 && r.Datatype != FP64) {
		return nil, violation("expected %d rows of FP32 or FP64, received %d x %d of %s",
			rows, r.Rows, r.Columns, r.Datatype)
	}
	size := 8
	if r.Datatype == FP32 {
		size = 4
	}
	// The count is compared by division, for the product of a hostile reply may overflow.
	count := len(data) / size
	isEmpty := r.Rows == 0 && count == 0
	isWhole := r.Rows > 0 && count%r.Rows == 0 && count/r.Rows == r.Columns
	if len(data)%size != 0 || !(isEmpty || isWhole) {
		return nil, violation("%d bytes are not %d rows x %d columns of %s",
			len(data), r.Rows, r.Columns, r.Datatype)
	}
	r.Values = decodeFloats(data, size, count)
	return r, nil
}
