// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"strings"

	"github.com/apache/thrift/lib/go/thrift"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

func endpointAddress(endpoint string) net.Addr {
	if path, isUnix := strings.CutPrefix(endpoint, "unix:"); isUnix {
		return &net.UnixAddr{Name: path, Net: "unix"}
	}
	return tcpAddress(endpoint)
}

// tcpAddress is a TCP address whose host may still be a name.
type tcpAddress string

func (tcpAddress) Network() string  { return "tcp" }
func (a tcpAddress) String() string { return string(a) }

// toArguments fills the generated argument struct from a case. Where an argument is null the
// generated code would write an empty one, so the others are then written field by field.
func toArguments(arguments thrift.TStruct, args map[string]any) (thrift.TStruct, error) {
	hasNull := false
	for _, value := range args {
		hasNull = hasNull || value == nil
	}
	target := reflect.ValueOf(arguments).Elem()
	if !hasNull {
		return arguments, fill(target, args)
	}
	partial := textArguments{}
	for index := range target.NumField() {
		field := target.Type().Field(index)
		value, isText := args[idlName(field)].(string)
		if !isText && args[idlName(field)] != nil {
			return nil, fmt.Errorf("beside a null argument %s must be text", idlName(field))
		}
		id, err := idlID(field)
		if err != nil {
			return nil, err
		}
		if isText {
			partial[id] = value
		}
	}
	return partial, nil
}

// textArguments are arguments of a call by field id: some texts, and nothing for the others.
type textArguments map[int16]string

// Write writes the texts.
func (t textArguments) Write(ctx context.Context, output thrift.TProtocol) error {
	if err := output.WriteStructBegin(ctx, "args"); err != nil {
		return err
	}
	for id, value := range t {
		if err := output.WriteFieldBegin(ctx, "", thrift.STRING, id); err != nil {
			return err
		}
		if err := output.WriteString(ctx, value); err != nil {
			return err
		}
		if err := output.WriteFieldEnd(ctx); err != nil {
			return err
		}
	}
	if err := output.WriteFieldStop(ctx); err != nil {
		return err
	}
	return output.WriteStructEnd(ctx)
}

// Read is never used: arguments are only sent.
func (textArguments) Read(context.Context, thrift.TProtocol) error {
	return fmt.Errorf("arguments cannot be read")
}

// structsWithDefaults make the structs whose defaults are not all zero.
var structsWithDefaults = map[reflect.Type]func() any{
	reflect.TypeFor[idl.ScoreRequest]():       func() any { return idl.NewScoreRequest() },
	reflect.TypeFor[idl.SparseScoreRequest](): func() any { return idl.NewSparseScoreRequest() },
	reflect.TypeFor[idl.NormalizeRequest]():   func() any { return idl.NewNormalizeRequest() },
	reflect.TypeFor[idl.InferRequest]():       func() any { return idl.NewInferRequest() },
	reflect.TypeFor[idl.Tensor]():             func() any { return idl.NewTensor() },
}

// fill sets a generated value from the JSON of a case.
func fill(target reflect.Value, source any) error {
	if target.Type() == reflect.TypeFor[[]byte]() {
		data, err := toBytes(source)
		target.SetBytes(data)
		return err
	}
	switch source := source.(type) {
	case map[string]any:
		return fillObject(target, source)
	case []any:
		return fillList(target, source)
	default:
		return fillScalar(target, source)
	}
}

func fillObject(target reflect.Value, source map[string]any) error {
	switch target.Kind() {
	case reflect.Pointer:
		made := reflect.New(target.Type().Elem())
		if withDefaults, known := structsWithDefaults[target.Type().Elem()]; known {
			made = reflect.ValueOf(withDefaults())
		}
		target.Set(made)
		return fillObject(made.Elem(), source)
	case reflect.Struct:
		return fillStruct(target, source)
	case reflect.Map:
		target.Set(reflect.MakeMap(target.Type()))
		for key, value := range source {
			element := reflect.New(target.Type().Elem()).Elem()
			if err := fill(element, value); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			target.SetMapIndex(reflect.ValueOf(key), element)
		}
		return nil
	default:
		return fmt.Errorf("an object cannot fill a %s", target.Type())
	}
}

func fillStruct(target reflect.Value, source map[string]any) error {
	fields := map[string]reflect.Value{}
	for index := range target.NumField() {
		fields[idlName(target.Type().Field(index))] = target.Field(index)
	}
	for name, value := range source {
		field, known := fields[name]
		if !known {
			return fmt.Errorf("%s has no field %q", target.Type(), name)
		}
		if err := fill(field, value); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func fillList(target reflect.Value, source []any) error {
	if target.Kind() != reflect.Slice {
		return fmt.Errorf("a list cannot fill a %s", target.Type())
	}
	target.Set(reflect.MakeSlice(target.Type(), len(source), len(source)))
	for index, value := range source {
		if err := fill(target.Index(index), value); err != nil {
			return fmt.Errorf("[%d]: %w", index, err)
		}
	}
	return nil
}

func fillScalar(target reflect.Value, source any) error {
	if target.Kind() == reflect.Pointer {
		target.Set(reflect.New(target.Type().Elem()))
		target = target.Elem()
	}
	number, isNumber := source.(json.Number)
	name, isText := source.(string)
	enum, isEnum := target.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case isEnum && isText:
		return enum.UnmarshalText([]byte(name))
	case target.Kind() == reflect.Float64:
		value, err := toFloat(source)
		target.SetFloat(value)
		return err
	case target.CanInt() && isNumber:
		value, err := number.Int64()
		if err != nil || target.OverflowInt(value) {
			return fmt.Errorf("%s does not fit into a %s", number, target.Type())
		}
		target.SetInt(value)
		return nil
	case reflect.TypeOf(source) == target.Type():
		target.Set(reflect.ValueOf(source))
		return nil
	default:
		return fmt.Errorf("%v cannot fill a %s", source, target.Type())
	}
}

// toBytes reads a `binary` field of a case: {"FP32": [..]}, {"hex": ".."} and so on.
func toBytes(source any) ([]byte, error) {
	object, isObject := source.(map[string]any)
	if !isObject || len(object) != 1 {
		return nil, fmt.Errorf("expected an object with one key for bytes, received %v", source)
	}
	for kind, value := range object {
		switch kind {
		case "hex":
			return hex.DecodeString(fmt.Sprint(value))
		case "FP32":
			return encodeElements(toFloats[float32](value))
		case "FP64":
			return encodeElements(toFloats[float64](value))
		case "INT32":
			return encodeElements(toIntegers[int32](value))
		case "INT64":
			return encodeElements(toIntegers[int64](value))
		}
	}
	return nil, fmt.Errorf("expected bytes as FP32, FP64, INT32, INT64 or hex, received %v", source)
}

func encodeElements[T any](values []T, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return binary.Append([]byte{}, binary.LittleEndian, values)
}
