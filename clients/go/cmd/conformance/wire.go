// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"reflect"

	"github.com/apache/thrift/lib/go/thrift"

	idl "github.com/thriftscore/thriftscore/clients/go/gen/thriftscoreidl"
)

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

func newWireCaller(endpoint, protocol string) *wireCaller {
	configuration := &thrift.TConfiguration{
		ConnectTimeout:     callTimeout,
		SocketTimeout:      callTimeout,
		TBinaryStrictRead:  thrift.BoolPtr(true),
		TBinaryStrictWrite: thrift.BoolPtr(true),
	}
	socket := thrift.NewTSocketFromAddrConf(endpointAddress(endpoint), configuration)
	framed := thrift.NewTFramedTransportConf(socket, configuration)
	var encoding thrift.TProtocol = thrift.NewTBinaryProtocolConf(framed, configuration)
	if protocol == "compact" {
		encoding = thrift.NewTCompactProtocolConf(framed, configuration)
	}
	return &wireCaller{framed, thrift.NewTStandardClient(encoding, encoding)}
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
