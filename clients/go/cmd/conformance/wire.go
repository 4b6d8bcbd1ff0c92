// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"reflect"

	"github.com/apache/thrift/lib/go/thrift"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

// bufferBytes is what is read and written at once without frames.
const bufferBytes = 4096

// messages are the argument and result structs of a method, as generated.
type messages struct{ arguments, result thrift.TStruct }

var methods = map[string]messages{
	"ping":  {&idl.ScoringServicePingArgs{}, &idl.ScoringServicePingResult{}},
	"score": {&idl.ScoringServiceScoreArgs{}, &idl.ScoringServiceScoreResult{}},
	"score_sparse": {&idl.ScoringServiceScoreSparseArgs{},
		&idl.ScoringServiceScoreSparseResult{}},
	"score_values": {&idl.ScoringServiceScoreValuesArgs{},
		&idl.ScoringServiceScoreValuesResult{}},
	"score_named": {&idl.ScoringServiceScoreNamedArgs{},
		&idl.ScoringServiceScoreNamedResult{}},
	"normalize": {&idl.ScoringServiceNormalizeArgs{},
		&idl.ScoringServiceNormalizeResult{}},
	"denormalize": {&idl.ScoringServiceDenormalizeArgs{},
		&idl.ScoringServiceDenormalizeResult{}},
	"infer": {&idl.ScoringServiceInferArgs{}, &idl.ScoringServiceInferResult{}},
	"server_live": {&idl.ScoringServiceServerLiveArgs{},
		&idl.ScoringServiceServerLiveResult{}},
	"server_ready": {&idl.ScoringServiceServerReadyArgs{},
		&idl.ScoringServiceServerReadyResult{}},
	"server_metadata": {&idl.ScoringServiceServerMetadataArgs{},
		&idl.ScoringServiceServerMetadataResult{}},
	"model_ready": {&idl.ScoringServiceModelReadyArgs{},
		&idl.ScoringServiceModelReadyResult{}},
	"model_metadata": {&idl.ScoringServiceModelMetadataArgs{},
		&idl.ScoringServiceModelMetadataResult{}},
	"model_statistics": {&idl.ScoringServiceModelStatisticsArgs{},
		&idl.ScoringServiceModelStatisticsResult{}},
}

// blank returns a new struct of the type of prototype.
func blank(prototype thrift.TStruct) thrift.TStruct {
	return reflect.New(reflect.TypeOf(prototype).Elem()).Interface().(thrift.TStruct)
}

// wireCaller makes calls with the generated structs over the transports of the Thrift library: it
// shares nothing with the client.
type wireCaller struct {
	transport thrift.TTransport
	client    *thrift.TStandardClient
}

func newWireCaller(endpoint string, on combination) *wireCaller {
	configuration := &thrift.TConfiguration{
		ConnectTimeout:     callTimeout,
		SocketTimeout:      callTimeout,
		TBinaryStrictRead:  thrift.BoolPtr(true),
		TBinaryStrictWrite: thrift.BoolPtr(true),
	}
	if on.protocol == "compact" {
		compact := thrift.THeaderProtocolCompact
		configuration.THeaderProtocolID = &compact
	}
	var transport thrift.TTransport = thrift.NewTSocketFromAddrConf(
		endpointAddress(endpoint), configuration)
	switch on.transport {
	case "framed":
		transport = thrift.NewTFramedTransportConf(transport, configuration)
	case "unframed":
		transport = thrift.NewTBufferedTransport(transport, bufferBytes)
	}
	var protocol thrift.TProtocol
	switch {
	case on.transport == "header":
		protocol = thrift.NewTHeaderProtocolConf(transport, configuration)
		transport = protocol.Transport()
	case on.protocol == "compact":
		protocol = thrift.NewTCompactProtocolConf(transport, configuration)
	default:
		protocol = thrift.NewTBinaryProtocolConf(transport, configuration)
	}
	return &wireCaller{transport, thrift.NewTStandardClient(protocol, protocol)}
}

func (w *wireCaller) close() error { return w.transport.Close() }

// call makes the call of a case with `via: wire`.
func (w *wireCaller) call(ctx context.Context, method string, args map[string]any) (
	map[string]any, error) {
	kinds, known := methods[method]
	if !known {
		return nil, fmt.Errorf("unknown method %q", method)
	}
	arguments, err := toArguments(blank(kinds.arguments), args)
	if err != nil {
		return nil, err
	}
	if !w.transport.IsOpen() {
		if err := w.transport.Open(); err != nil {
			return nil, err
		}
	}
	result := blank(kinds.result)
	if _, err := w.client.Call(ctx, method, arguments, result); err != nil {
		return nil, err
	}
	fields := reflect.ValueOf(result).Elem()
	if declared, _ := fields.FieldByName("Error").Interface().(*idl.ScoringError); declared != nil {
		return nil, declared
	}
	success := fields.FieldByName("Success")
	if success.IsNil() {
		return nil, fmt.Errorf("the reply to %s has neither a result nor an error", method)
	}
	if success.Kind() == reflect.Pointer && success.Elem().Kind() == reflect.Struct {
		return viewReply(success.Interface())
	}
	return viewReply(reflect.Indirect(success).Interface())
}
