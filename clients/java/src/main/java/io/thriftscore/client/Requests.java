// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.InferRequest;
import io.thriftscore.idl.InferRequestedOutput;
import io.thriftscore.idl.ModelMetadata;
import io.thriftscore.idl.ModelStatistics;
import io.thriftscore.idl.NormalizeRequest;
import io.thriftscore.idl.ScoreRequest;
import io.thriftscore.idl.ScoringService;
import io.thriftscore.idl.ServerMetadata;
import io.thriftscore.idl.SparseScoreRequest;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.apache.thrift.TBase;
import org.apache.thrift.TFieldIdEnum;

/** The calls of the contract as requests: what the blocking and the asynchronous client share. */
final class Requests {
  private final MessageCodec codec;

  Requests(MessageCodec codec) {
    this.codec = codec;
  }

  Request<ScoreResult> score(String model, Matrix features, CallOptions call) {
    return score(
        model,
        features,
        call,
        reply -> Replies.scores(reply, features.rows(), call.requestId()));
  }

  /** As above, with a use of its own for the scores. */
  <R> Request<R> score(
      String model, Matrix features, CallOptions call, ReplyReader<ScoreReply, R> reader) {
    Objects.requireNonNull(model, "model");
    Request<R> general =
        request(
            DenseScoreRequest.METHOD,
            model,
            call,
            new StructRequest.Form<>(
                context -> scoreArguments(model, features, call, context),
                ScoringService.score_result::new,
                (ScoringService.score_result reply) ->
                    reader.read(ScoreReply.of(reply.getSuccess())),
                LittleEndian.byteCount(features)));
    return codec.protocol() == WireProtocol.BINARY
        ? new DenseScoreRequest<>(codec, features, reader, general)
        : general;
  }

  private static TBase<?, ?> scoreArguments(
      String model, Matrix features, CallOptions call, CallContext context) {
    ScoreRequest request =
        new ScoreRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setFeatures(LittleEndian.pack(features))
            .setDatatype(features.datatype())
            .setContext(context.toStruct());
    return new ScoringService.score_args(
        features.rows() > 0 ? request.setColumns(features.columns()) : request);
  }

  Request<ScoreResult> scoreSparse(String model, SparseRows rows, CallOptions call) {
    return scoreSparse(
        model,
        rows,
        call,
        reply -> Replies.scores(reply, rows.rows(), call.requestId()));
  }

  /** As above, with a use of its own for the scores. */
  <R> Request<R> scoreSparse(
      String model, SparseRows rows, CallOptions call, ReplyReader<ScoreReply, R> reader) {
    return request(
        "score_sparse",
        model,
        call,
        new StructRequest.Form<>(
            context -> sparseArguments(model, rows, call, context),
            ScoringService.score_sparse_result::new,
            (ScoringService.score_sparse_result reply) ->
                reader.read(ScoreReply.of(reply.getSuccess())),
            rows.byteCount()));
  }

  private static TBase<?, ?> sparseArguments(
      String model, SparseRows rows, CallOptions call, CallContext context) {
    return new ScoringService.score_sparse_args(
        new SparseScoreRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setIndptr(LittleEndian.pack(rows.indptr()))
            .setIndices(LittleEndian.pack(rows.indices()))
            .setValues(LittleEndian.pack(rows.values()))
            .setDatatype(rows.values().datatype())
            .setContext(context.toStruct()));
  }

  Request<double[]> scoreValues(String model, double[] values) {
    List<Double> list = Arrays.stream(values).boxed().toList();
    return request(
        "score_values",
        model,
        CallOptions.DEFAULT,
        new StructRequest.Form<>(
            context -> new ScoringService.score_values_args(model, list),
            ScoringService.score_values_result::new,
            (ScoringService.score_values_result reply) -> Replies.values(reply.getSuccess())));
  }

  Request<double[]> scoreNamed(String model, Map<String, Double> features) {
    return request(
        "score_named",
        model,
        CallOptions.DEFAULT,
        new StructRequest.Form<>(
            context -> new ScoringService.score_named_args(model, features),
            ScoringService.score_named_result::new,
            (ScoringService.score_named_result reply) -> Replies.values(reply.getSuccess())));
  }

  Request<NormalizeResult> normalize(String model, Matrix values, CallOptions call) {
    return request(
        "normalize",
        model,
        call,
        new StructRequest.Form<>(
            context ->
                new ScoringService.normalize_args(normalizeRequest(model, values, call, context)),
            ScoringService.normalize_result::new,
            (ScoringService.normalize_result reply) ->
                Replies.normalized(reply.getSuccess(), values, call.requestId())));
  }

  Request<NormalizeResult> denormalize(String model, Matrix values, CallOptions call) {
    return request(
        "denormalize",
        model,
        call,
        new StructRequest.Form<>(
            context ->
                new ScoringService.denormalize_args(
                    normalizeRequest(model, values, call, context)),
            ScoringService.denormalize_result::new,
            (ScoringService.denormalize_result reply) ->
                Replies.normalized(reply.getSuccess(), values, call.requestId())));
  }

  private static NormalizeRequest normalizeRequest(
      String model, Matrix values, CallOptions call, CallContext context) {
    NormalizeRequest request =
        new NormalizeRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setValues(LittleEndian.pack(values))
            .setDatatype(values.datatype())
            .setContext(context.toStruct());
    return values.rows() > 0 ? request.setColumns(values.columns()) : request;
  }

  Request<InferResult> infer(
      String model, List<Tensor> inputs, List<String> outputs, CallOptions call) {
    InferRequest request =
        new InferRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setInputs(inputs.stream().map(Requests::wireTensor).toList());
    if (!call.requestId().isEmpty()) {
      request.setId(call.requestId());
    }
    if (!outputs.isEmpty()) {
      request.setOutputs(
          outputs.stream().map(name -> new InferRequestedOutput().setName(name)).toList());
    }
    return request(
        "infer",
        model,
        call,
        new StructRequest.Form<>(
            context ->
                new ScoringService.infer_args(
                    new InferRequest(request).setContext(context.toStruct())),
            ScoringService.infer_result::new,
            (ScoringService.infer_result reply) ->
                Replies.inferred(reply.getSuccess(), call.requestId())));
  }

  private static io.thriftscore.idl.Tensor wireTensor(Tensor tensor) {
    return new io.thriftscore.idl.Tensor()
        .setName(tensor.name())
        .setDatatype(tensor.datatype())
        .setShape(Arrays.stream(tensor.shape()).boxed().toList())
        .setData(tensor.data());
  }

  Request<Boolean> ping() {
    return plain(
        "ping",
        new ScoringService.ping_args(),
        ScoringService.ping_result::new,
        ScoringService.ping_result::isSuccess);
  }

  Request<Boolean> serverLive() {
    return plain(
        "server_live",
        new ScoringService.server_live_args(),
        ScoringService.server_live_result::new,
        ScoringService.server_live_result::isSuccess);
  }

  Request<Boolean> serverReady() {
    return plain(
        "server_ready",
        new ScoringService.server_ready_args(),
        ScoringService.server_ready_result::new,
        ScoringService.server_ready_result::isSuccess);
  }

  Request<ServerMetadata> serverMetadata() {
    return plain(
        "server_metadata",
        new ScoringService.server_metadata_args(),
        ScoringService.server_metadata_result::new,
        ScoringService.server_metadata_result::getSuccess);
  }

  Request<Boolean> modelReady(String model, String version) {
    return request(
        "model_ready",
        model,
        CallOptions.DEFAULT,
        new StructRequest.Form<>(
            context -> new ScoringService.model_ready_args(model, version),
            ScoringService.model_ready_result::new,
            ScoringService.model_ready_result::isSuccess));
  }

  Request<ModelMetadata> modelMetadata(String model, String version) {
    return request(
        "model_metadata",
        model,
        CallOptions.DEFAULT,
        new StructRequest.Form<>(
            context -> new ScoringService.model_metadata_args(model, version),
            ScoringService.model_metadata_result::new,
            ScoringService.model_metadata_result::getSuccess));
  }

  Request<List<ModelStatistics>> modelStatistics(String model, String version) {
    return request(
        "model_statistics",
        model,
        CallOptions.DEFAULT,
        new StructRequest.Form<>(
            context -> new ScoringService.model_statistics_args(model, version),
            ScoringService.model_statistics_result::new,
            (ScoringService.model_statistics_result reply) -> reply.getSuccess().getModel_stats()));
  }

  /** A request without a model. */
  private <T extends TBase<T, F>, F extends TFieldIdEnum, R> Request<R> plain(
      String method, TBase<?, ?> arguments, Supplier<T> reply, ReplyReader<T, R> reader) {
    return request(
        method,
        "",
        CallOptions.DEFAULT,
        new StructRequest.Form<>(context -> arguments, reply, reader));
  }

  private <T extends TBase<T, F>, F extends TFieldIdEnum, R> Request<R> request(
      String method, String model, CallOptions call, StructRequest.Form<T, R> form) {
    Objects.requireNonNull(model, "model");
    return new StructRequest<>(codec, method, model, call, form);
  }
}
