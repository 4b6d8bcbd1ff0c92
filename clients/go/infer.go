// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// Element is the type of the elements of a tensor.
type Element interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64
}

// Tensor is a named tensor, an input or an output of a model.
type Tensor struct {
	Name     string
	Datatype DataType
	// Shape has the extent of each dimension, outermost first.
	Shape []int64
	// Data are the elements, little-endian and row-major. For Bytes each element is preceded by
	// its length in 4 bytes.
	Data []byte
}

// NewTensor makes a tensor of the values, row-major, with their type. The error wraps
// ErrInvalidArgument; it says that the shape has another number of elements.
func NewTensor[T Element](name string, shape []int64, values []T) (Tensor, error) {
	var zero T
	tensor := Tensor{Name: name, Datatype: elementTypes[any(zero)], Shape: slices.Clone(shape)}
	data, err := binary.Append([]byte{}, binary.LittleEndian, values)
	if err != nil {
		return Tensor{}, invalid("tensor %q: %w", name, err)
	}
	tensor.Data = data
	if err := tensor.check(); err != nil {
		return Tensor{}, invalid("%w", err)
	}
	return tensor, nil
}

// TensorValues returns the elements of a tensor, row-major. T must be the type of the tensor: FP32
// is float32, INT64 is int64. The error wraps ErrInvalidArgument.
func TensorValues[T Element](tensor Tensor) ([]T, error) {
	var zero T
	if wanted := elementTypes[any(zero)]; tensor.Datatype != wanted {
		return nil, invalid("tensor %q has elements of %s, not of %s (%T)",
			tensor.Name, tensor.Datatype, wanted, zero)
	}
	if err := tensor.check(); err != nil {
		return nil, invalid("%w", err)
	}
	values := make([]T, len(tensor.Data)/elementBytes[tensor.Datatype])
	if _, err := binary.Decode(tensor.Data, binary.LittleEndian, values); err != nil {
		return nil, invalid("tensor %q: %w", tensor.Name, err)
	}
	return values, nil
}

// TensorStrings returns the elements of a tensor of Bytes. The error wraps ErrInvalidArgument.
func TensorStrings(tensor Tensor) ([]string, error) {
	if tensor.Datatype != Bytes {
		return nil, invalid("tensor %q has elements of %s, not of BYTES",
			tensor.Name, tensor.Datatype)
	}
	values := []string{}
	for rest := tensor.Data; len(rest) > 0; {
		if len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return nil, invalid("tensor %q: the bytes of element %d end early",
				tensor.Name, len(values))
		}
		end := 4 + int(binary.LittleEndian.Uint32(rest))
		values = append(values, string(rest[4:end]))
		rest = rest[end:]
	}
	return values, nil
}

// elementTypes has, for the zero value of a Go type, the type of the contract.
var elementTypes = map[any]DataType{
	false: Bool, int8(0): Int8, int16(0): Int16, int32(0): Int32, int64(0): Int64,
	uint8(0): Uint8, uint16(0): Uint16, uint32(0): Uint32, uint64(0): Uint64,
	float32(0): FP32, float64(0): FP64,
}

var elementBytes = map[DataType]int{
	Bool: 1, Uint8: 1, Int8: 1, Uint16: 2, Int16: 2, FP16: 2,
	Uint32: 4, Int32: 4, FP32: 4, Uint64: 8, Int64: 8, FP64: 8,
}

// check compares the bytes of the data with the shape; those of BYTES have no fixed length.
func (t Tensor) check() error {
	size, fixed := elementBytes[t.Datatype]
	if !fixed {
		return nil
	}
	count := int64(len(t.Data) / size)
	if !hasElements(t.Shape, count) || len(t.Data)%size != 0 {
		return fmt.Errorf("tensor %q: %d bytes are not %s of shape %v",
			t.Name, len(t.Data), t.Datatype, t.Shape)
	}
	return nil
}

// hasElements reports whether the extents multiply to count, without overflow.
func hasElements(shape []int64, count int64) bool {
	product := int64(1)
	isEmpty := slices.Contains(shape, 0)
	for _, extent := range shape {
		if extent < 0 || (!isEmpty && extent > count/product) {
			return false
		}
		if !isEmpty {
			product *= extent
		}
	}
	return isEmpty && count == 0 || !isEmpty && product == count
}

// InferRequest is what Infer sends.
type InferRequest struct {
	// Inputs are the inputs of the model, each once.
	Inputs []Tensor
	// Outputs are the names of the wanted outputs; none means all.
	Outputs []string
	// ID is chosen by the caller and echoed in the response; empty means none.
	ID string
}

// InferResponse is what Infer returns.
type InferResponse struct {
	Model        string
	ModelVersion string // as a number
	ID           string // that of the request
	RequestID    string // that of WithRequestID
	Outputs      []Tensor
}

// Output returns the output of this name; false if the response has none.
func (r *InferResponse) Output(name string) (Tensor, bool) {
	for _, tensor := range r.Outputs {
		if tensor.Name == name {
			return tensor, true
		}
	}
	return Tensor{}, false
}

// Infer runs a model on named tensors, as version 2 of the Open Inference Protocol has it.
func (c *Client) Infer(ctx context.Context, model string, request InferRequest,
	options ...CallOption) (*InferResponse, error) {
	settings := c.settings(model, options)
	wire := request.wire()
	wire.ModelName, wire.ModelVersion, wire.Context = model, settings.version, settings.context
	return invoke[*InferResponse](ctx, c, &call{
		callSettings: settings,
		method:       "infer",
		arguments:    &thriftscoreidl.ScoringServiceInferArgs{Request: wire},
		decode: func(ctx context.Context, from *message) (any, error) {
			var result thriftscoreidl.ScoringServiceInferResult
			if err := readResult(ctx, from, &result); err != nil {
				return nil, err
			}
			return settings.inferred(result.Success, request.ID)
		},
	})
}

func (r InferRequest) wire() *thriftscoreidl.InferRequest {
	wire := &thriftscoreidl.InferRequest{}
	if r.ID != "" {
		wire.ID = &r.ID
	}
	for _, input := range r.Inputs {
		wire.Inputs = append(wire.Inputs, &thriftscoreidl.Tensor{
			Name:     input.Name,
			Datatype: input.Datatype,
			Shape:    input.Shape,
			Data:     notNil(input.Data),
		})
	}
	for _, name := range r.Outputs {
		wire.Outputs = append(wire.Outputs, &thriftscoreidl.InferRequestedOutput{Name: name})
	}
	return wire
}

// notNil tells an empty value from one that is not set.
func notNil(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}

func (s *callSettings) inferred(response *thriftscoreidl.InferResponse, id string) (
	*InferResponse, error) {
	if err := s.checkEcho(response.RequestID); err != nil {
		return nil, err
	}
	if id != "" {
		if err := checkEcho("id", id, response.ID); err != nil {
			return nil, err
		}
	}
	result := &InferResponse{
		Model:        response.ModelName,
		ModelVersion: response.ModelVersion,
		ID:           response.GetID(),
		RequestID:    response.GetRequestID(),
	}
	for _, output := range response.Outputs {
		tensor := Tensor{output.Name, output.Datatype, output.Shape, output.Data}
		if err := tensor.check(); err != nil {
			return nil, violation("%w", err)
		}
		result.Outputs = append(result.Outputs, tensor)
	}
	return result, nil
}
