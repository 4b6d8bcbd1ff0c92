// SPDX-License-Identifier: Apache-2.0

package thriftscore

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

func TestRowsAndDenseEncodeTheSameLittleEndianMatrix(t *testing.T) {
	expected := []byte{
		0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0x80, 0x7f,
		0, 0, 0, 0, 0, 0, 0x40, 0x40, 1, 0, 0, 0,
	}
	rows := Rows[float32]{
		{1, -2, float32(math.Inf(1))},
		{0, 3, math.SmallestNonzeroFloat32},
	}
	dense := Dense[float32]{Values: slices.Concat(rows...), Columns: 3}
	for _, features := range []Features{rows, dense} {
		found, err := features.shape()
		if err != nil {
			t.Fatal(err)
		}
		data := features.appendTo(nil)
		if !bytes.Equal(data, expected) || found != (shape{FP32, 2, 3}) {
			t.Errorf("%T: received %+v, %v", features, found, data)
		}
		second := features.slice(1, 2)
		if found, err := second.shape(); err != nil || found != (shape{FP32, 1, 3}) ||
			!bytes.Equal(second.appendTo(nil), expected[12:]) {
			t.Errorf("%T: the second row is %+v, %v", features, found, err)
		}
	}
}

func TestNoRowsAreAMatrix(t *testing.T) {
	for _, features := range []Features{Rows[float64]{}, Rows[float64](nil)} {
		if found, err := features.shape(); err != nil || found != (shape{datatype: FP64}) {
			t.Errorf("received %+v, %v", found, err)
		}
	}
	found, err := Dense[float64]{Columns: 4}.shape()
	if err != nil || found != (shape{FP64, 0, 4}) {
		t.Errorf("received %+v, %v", found, err)
	}
}

func TestFeaturesThatAreNoMatrixAreRefusedUnsent(t *testing.T) {
	client := newClient(t, "127.0.0.1:1", Options{})
	for name, features := range map[string]Features{
		"nothing":           nil,
		"ragged rows":       Rows[float32]{{1, 2}, {3}},
		"rows of no values": Rows[float32]{{}, {}},
		"row of no values":  Row[float64]{},
		"no columns":        Dense[float32]{Values: []float32{1}},
		"negative columns":  Dense[float32]{Values: []float32{1}, Columns: -1},
		"part of a row":     Dense[float32]{Values: []float32{1, 2, 3}, Columns: 2},
	} {
		_, err := client.Score(context.Background(), "m", features)
		if !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%s: expected ErrInvalidArgument, received %v", name, err)
		}
	}
	if _, err := client.ScoreSparse(context.Background(), "m", nil); !errors.Is(
		err, ErrInvalidArgument) {
		t.Errorf("no sparse features: expected ErrInvalidArgument, received %v", err)
	}
}

func TestFloatsKeepTheirBits(t *testing.T) {
	specials := []float64{
		0, math.Copysign(0, -1), 1, -1.5, math.Inf(1), math.Inf(-1),
		math.MaxFloat64, math.SmallestNonzeroFloat64, 5e-310,
	}
	decoded := decodeFloats(appendFloats(nil, specials), 8, len(specials))
	for index, value := range decoded {
		if math.Float64bits(value) != math.Float64bits(specials[index]) {
			t.Errorf("%v became %v", specials[index], value)
		}
	}
	singles := []float32{0.1, math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.NaN())}
	for index, value := range decodeFloats(appendFloats(nil, singles), 4, len(singles)) {
		if math.Float32bits(float32(value)) != math.Float32bits(singles[index]) {
			t.Errorf("%v became %v", singles[index], value)
		}
	}
}

func TestTensorsKeepTypeShapeAndValues(t *testing.T) {
	expectTensor(t, Bool, []bool{true, false})
	expectTensor(t, Uint8, []uint8{0, 255})
	expectTensor(t, Uint16, []uint16{0, 65535})
	expectTensor(t, Uint32, []uint32{0, math.MaxUint32})
	expectTensor(t, Uint64, []uint64{0, math.MaxUint64})
	expectTensor(t, Int8, []int8{-128, 127})
	expectTensor(t, Int16, []int16{-32768, 32767})
	expectTensor(t, Int32, []int32{math.MinInt32, math.MaxInt32})
	expectTensor(t, Int64, []int64{math.MinInt64, math.MaxInt64})
	expectTensor(t, FP32, []float32{-0.5, math.MaxFloat32})
	expectTensor(t, FP64, []float64{-0.5, math.MaxFloat64})
}

func expectTensor[T Element](t *testing.T, datatype DataType, values []T) {
	t.Helper()
	tensor, err := NewTensor("x", []int64{1, int64(len(values))}, values)
	if err != nil {
		t.Fatal(err)
	}
	read, err := TensorValues[T](tensor)
	if err != nil || !slices.Equal(read, values) || tensor.Datatype != datatype {
		t.Errorf("%v became %v of %s, %v", values, read, tensor.Datatype, err)
	}
	if len(tensor.Data) != len(values)*elementBytes[datatype] {
		t.Errorf("%d %s have %d bytes", len(values), datatype, len(tensor.Data))
	}
}

func TestShapeMustHaveTheElements(t *testing.T) {
	fitting := [][]int64{{6}, {2, 3}, {1, 6, 1}}
	wrong := [][]int64{{}, {5}, {-2, -3}, {0, 6}, {1 << 62, 3}, {1 << 32, 1 << 32}}
	for _, shape := range fitting {
		if _, err := NewTensor("x", shape, make([]int8, 6)); err != nil {
			t.Errorf("shape %v: %v", shape, err)
		}
	}
	for _, shape := range wrong {
		if _, err := NewTensor("x", shape, make([]int8, 6)); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("shape %v: expected ErrInvalidArgument, received %v", shape, err)
		}
	}
	if _, err := NewTensor("x", []int64{1 << 40, 0, 1 << 40}, []int8{}); err != nil {
		t.Errorf("an empty tensor was refused: %v", err)
	}
}

func TestTensorStringsRefuseLengthsBeyondTheirData(t *testing.T) {
	tensor := Tensor{Name: "s", Datatype: Bytes, Data: []byte("\x02\x00\x00\x00ab\x00\x00\x00\x00")}
	values, err := TensorStrings(tensor)
	if err != nil || !slices.Equal(values, []string{"ab", ""}) {
		t.Errorf("received %q, %v", values, err)
	}
	for _, data := range []string{"\x01", "\x01\x00\x00\x00", "\xff\xff\xff\xff1234"} {
		tensor.Data = []byte(data)
		if _, err := TensorStrings(tensor); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%q: expected ErrInvalidArgument, received %v", data, err)
		}
	}
	if _, err := TensorValues[int8](tensor); !errors.Is(err, ErrInvalidArgument) {
		t.Errorf("BYTES were read as int8: %v", err)
	}
}

func TestInferSendsAndReturnsNamedTensors(t *testing.T) {
	handler := &echo{}
	server := newScriptedServer(t, handler)
	client := newClient(t, server.endpoint(), Options{Timeout: schedulingSlack})
	input, err := NewTensor("features", []int64{2, 1}, []float64{0.25, 4})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := NewTensor("none", []int64{0, 3}, []int32{})
	if err != nil {
		t.Fatal(err)
	}
	request := InferRequest{Inputs: []Tensor{input, empty}, Outputs: []string{"scores"}, ID: "i-1"}
	response, err := client.Infer(context.Background(), "m", request, WithRequestID("r-1"))
	if err != nil {
		t.Fatal(err)
	}
	output, found := response.Output("features")
	values, err := TensorValues[float64](output)
	if !found || err != nil || !slices.Equal(values, []float64{0.25, 4}) ||
		response.ID != "i-1" || response.RequestID != "r-1" || response.Model != "m" {
		t.Errorf("received %+v, %v", response, err)
	}
	if _, found := response.Output("scores"); found {
		t.Error("an output was found that the response does not have")
	}
	sent := handler.last().(*idl.InferRequest)
	if len(sent.Outputs) != 1 || sent.Outputs[0].Name != "scores" || sent.Inputs[1].Data == nil {
		t.Errorf("sent %v", sent)
	}
}
