// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// idlName is the name that a field of a generated struct has in the IDL.
func idlName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("thrift"), ",")
	return name
}

// idlID is the id that a field of a generated struct has in the IDL.
func idlID(field reflect.StructField) (int16, error) {
	_, id, _ := strings.Cut(field.Tag.Get("thrift"), ",")
	number, err := strconv.ParseInt(id, 10, 16)
	return int16(number), err
}

// view shows a generated value in the form of `expect`: structs and maps as maps by IDL name,
// integers as int64, enums by name. A field that is absent has no key; one of bytes is left out.
func view(value reflect.Value) any {
	if name, isNamed := value.Interface().(fmt.Stringer); isNamed && value.CanInt() {
		return name.String()
	}
	switch {
	case value.Kind() == reflect.Pointer:
		return view(value.Elem())
	case value.Kind() == reflect.Struct:
		return viewStruct(value)
	case value.Kind() == reflect.Map:
		object := map[string]any{}
		for _, key := range value.MapKeys() {
			object[key.String()] = view(value.MapIndex(key))
		}
		return object
	case value.Kind() == reflect.Slice:
		list := []any{}
		for index := range value.Len() {
			list = append(list, view(value.Index(index)))
		}
		return list
	case value.CanInt():
		return value.Int()
	default:
		return value.Interface()
	}
}

func viewStruct(value reflect.Value) map[string]any {
	object := map[string]any{}
	for index := range value.NumField() {
		field := value.Field(index)
		isAbsent := field.Kind() == reflect.Pointer && field.IsNil()
		if !isAbsent && field.Type() != reflect.TypeFor[[]byte]() {
			object[idlName(value.Type().Field(index))] = view(field)
		}
	}
	return object
}

// viewReply shows the reply of any method in the form of `expect`.
func viewReply(reply any) (map[string]any, error) {
	value := reflect.ValueOf(reply)
	if value.Kind() != reflect.Pointer {
		return map[string]any{"result": view(value)}, nil
	}
	object := viewStruct(value.Elem())
	switch reply := reply.(type) {
	case *thriftscoreidl.ScoreResponse:
		values, err := decodeNumbers(reply.Scores, reply.Datatype)
		object["scores"] = inRows(values, int(reply.Rows), int(reply.Columns))
		return object, err
	case *thriftscoreidl.NormalizeResponse:
		values, err := decodeNumbers(reply.Values, reply.Datatype)
		object["values"] = inRows(values, int(reply.Rows), int(reply.Columns))
		return object, err
	case *thriftscoreidl.InferResponse:
		outputs := map[string]any{}
		for _, tensor := range reply.Outputs {
			values, err := decodeNumbers(tensor.Data, tensor.Datatype)
			if err != nil {
				return nil, err
			}
			outputs[tensor.Name] = viewTensor(tensor.Shape, values)
		}
		object["outputs"] = outputs
	}
	return object, nil
}

func viewTensor(shape []int64, values []float64) map[string]any {
	return map[string]any{
		"shape":  view(reflect.ValueOf(shape)),
		"values": view(reflect.ValueOf(values)),
	}
}

// inRows splits values into rows. Values beyond the last whole row make one more, so that a wrong
// number of values shows as a difference.
func inRows(values []float64, rows, columns int) []any {
	matrix := []any{}
	for row := 0; row < rows && columns > 0 && len(values) >= columns; row++ {
		matrix = append(matrix, view(reflect.ValueOf(values[:columns])))
		values = values[columns:]
	}
	if len(values) > 0 {
		matrix = append(matrix, view(reflect.ValueOf(values)))
	}
	return matrix
}

func decodeNumbers(data []byte, datatype thriftscoreidl.DataType) ([]float64, error) {
	values := []float64{}
	switch {
	case datatype == thriftscoreidl.DataType_FP32 && len(data)%4 == 0:
		for ; len(data) > 0; data = data[4:] {
			bits := binary.LittleEndian.Uint32(data)
			values = append(values, float64(math.Float32frombits(bits)))
		}
	case datatype == thriftscoreidl.DataType_FP64 && len(data)%8 == 0:
		for ; len(data) > 0; data = data[8:] {
			values = append(values, math.Float64frombits(binary.LittleEndian.Uint64(data)))
		}
	case datatype == thriftscoreidl.DataType_INT64 && len(data)%8 == 0:
		for ; len(data) > 0; data = data[8:] {
			values = append(values, float64(int64(binary.LittleEndian.Uint64(data))))
		}
	default:
		return nil, fmt.Errorf("%d bytes are not elements of %s", len(data), datatype)
	}
	return values, nil
}
