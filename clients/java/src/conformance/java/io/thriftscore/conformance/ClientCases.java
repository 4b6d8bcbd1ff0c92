// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.thriftscore.client.CallOptions;
import io.thriftscore.client.InferResult;
import io.thriftscore.client.Matrix;
import io.thriftscore.client.NormalizeResult;
import io.thriftscore.client.ScoreResult;
import io.thriftscore.client.ServerException;
import io.thriftscore.client.SparseRows;
import io.thriftscore.client.Tensor;
import io.thriftscore.client.ThriftscoreClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Calls the client's API with the arguments of a case. */
final class ClientCases {
  private final ThriftscoreClient client;

  ClientCases(ThriftscoreClient client) {
    this.client = client;
  }

  ObjectNode answer(String method, JsonNode arguments) {
    try {
      return call(method, arguments, arguments.path("model").asText(""));
    } catch (ServerException error) {
      return Answers.error(error.code(), error.reason(), error.retryable());
    }
  }

  private ObjectNode call(String method, JsonNode arguments, String model) {
    String version = arguments.path("version").asText("");
    CallOptions options = options(arguments);
    return switch (method) {
      case "score" -> scores(client.score(model, matrix(arguments, "features"), options));
      case "score_sparse" -> scores(client.scoreSparse(model, sparseRows(arguments), options));
      case "normalize" ->
          normalized(client.normalize(model, matrix(arguments, "values"), options));
      case "denormalize" ->
          normalized(client.denormalize(model, matrix(arguments, "values"), options));
      case "infer" ->
          inferred(client.infer(model, inputs(arguments, model), names(arguments), options));
      case "score_values" ->
          Answers.plain(
              Numbers.list(client.scoreValues(model, Numbers.doubles(arguments.get("values")))));
      case "score_named" ->
          Answers.plain(Numbers.list(client.scoreNamed(model, named(arguments.get("features")))));
      case "ping" -> Answers.plain(client.ping());
      case "server_live" -> Answers.plain(client.serverLive());
      case "server_ready" -> Answers.plain(client.serverReady());
      case "server_metadata" -> Answers.struct(client.serverMetadata());
      case "model_ready" -> Answers.plain(client.modelReady(model, version));
      case "model_metadata" -> Answers.struct(client.modelMetadata(model, version));
      case "model_statistics" ->
          Answers.list("model_stats", client.modelStatistics(model, version));
      default -> throw new IllegalArgumentException("unknown method " + method);
    };
  }

  private static CallOptions options(JsonNode arguments) {
    String requestId = arguments.path("request_id").asText(arguments.path("id").asText(""));
    return CallOptions.DEFAULT
        .withVersion(arguments.path("version").asText(""))
        .withRequestId(requestId)
        .withTimeout(Duration.ofMillis(arguments.path("deadline_ms").asLong(0)));
  }

  private static Matrix matrix(JsonNode arguments, String field) {
    return Numbers.matrix(arguments.get(field), arguments.path("datatype").asText("FP32"));
  }

  private static SparseRows sparseRows(JsonNode arguments) {
    long[] indptr = Numbers.longs(arguments.get("indptr"));
    int[] indices = Numbers.ints(arguments.get("indices"));
    JsonNode values = arguments.get("values");
    return arguments.path("datatype").asText("FP32").equals("FP32")
        ? SparseRows.of(indptr, indices, Numbers.floats(values))
        : SparseRows.of(indptr, indices, Numbers.doubles(values));
  }

  private List<Tensor> inputs(JsonNode arguments, String model) {
    List<Tensor> inputs = new ArrayList<>();
    for (JsonNode input : arguments.get("inputs")) {
      Matrix rows = Numbers.matrix(input.get("rows"), input.get("datatype").textValue());
      Tensor tensor = Tensor.of(input.get("name").textValue(), rows);
      inputs.add(rows.rows() == 0 ? ofModelsWidth(tensor, model) : tensor);
    }
    return inputs;
  }

  /** Rows that are none do not say how wide they are, as a tensor's shape must. */
  private Tensor ofModelsWidth(Tensor empty, String model) {
    long width = client.modelMetadata(model, "").getFeature_names().size();
    return new Tensor(empty.name(), empty.datatype(), new long[] {0, width}, empty.data());
  }

  private static List<String> names(JsonNode arguments) {
    List<String> names = new ArrayList<>();
    arguments.path("outputs").forEach(name -> names.add(name.textValue()));
    return names;
  }

  private static Map<String, Double> named(JsonNode features) {
    Map<String, Double> named = new HashMap<>();
    features.properties().forEach(
        feature -> named.put(feature.getKey(), Numbers.number(feature.getValue())));
    return named;
  }

  private static ObjectNode scores(ScoreResult result) {
    return matrixAnswer("scores", result.scores(), result.modelVersion(), result.requestId());
  }

  private static ObjectNode normalized(NormalizeResult result) {
    return matrixAnswer("values", result.values(), result.modelVersion(), result.requestId());
  }

  private static ObjectNode matrixAnswer(
      String field, Matrix matrix, String version, String requestId) {
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    answer.set(field, Numbers.rows(matrix));
    answer.put("datatype", matrix.datatype().name());
    answer.put("rows", matrix.rows()).put("columns", matrix.columns());
    return answer.put("model_version", version).put("request_id", requestId);
  }

  private static ObjectNode inferred(InferResult result) {
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    answer.put("model_name", result.model()).put("model_version", result.modelVersion());
    answer.put("id", result.id());
    answer.set("outputs", Answers.tensors(result.outputs().values()));
    return answer;
  }
}
