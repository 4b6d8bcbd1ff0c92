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
import io.thriftscore.client.ThriftscoreAsyncClient;
import io.thriftscore.client.ThriftscoreClient;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;

/** Calls the client's API, of either kind, with the arguments of a case. */
final class ClientCases {
  private final ThriftscoreClient client;
  private final ThriftscoreAsyncClient async;
  private final boolean usesAsync;

  ClientCases(ThriftscoreClient client, boolean usesAsync) {
    this.client = client;
    this.async = client.async();
    this.usesAsync = usesAsync;
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
      case "score", "score_sparse", "score_values", "score_named" ->
          scored(method, arguments, model, options);
      case "normalize", "denormalize" -> normalized(method, arguments, model, options);
      case "infer" -> inferred(arguments, model, options);
      case "model_ready", "model_metadata", "model_statistics" ->
          described(method, model, version);
      default -> server(method);
    };
  }

  private ObjectNode scored(
      String method, JsonNode arguments, String model, CallOptions options) {
    return switch (method) {
      case "score" -> {
        Matrix rows = matrix(arguments, "features");
        yield scores(
            either(
                () -> client.score(model, rows, options),
                () -> async.score(model, rows, options)));
      }
      case "score_sparse" -> {
        SparseRows rows = sparseRows(arguments);
        yield scores(
            either(
                () -> client.scoreSparse(model, rows, options),
                () -> async.scoreSparse(model, rows, options)));
      }
      case "score_values" -> {
        double[] values = Numbers.doubles(arguments.get("values"));
        yield plain(
            either(
                () -> client.scoreValues(model, values), () -> async.scoreValues(model, values)));
      }
      default -> {
        Map<String, Double> named = named(arguments.get("features"));
        yield plain(
            either(() -> client.scoreNamed(model, named), () -> async.scoreNamed(model, named)));
      }
    };
  }

  private ObjectNode normalized(
      String method, JsonNode arguments, String model, CallOptions options) {
    Matrix values = matrix(arguments, "values");
    return normalized(
        method.equals("normalize")
            ? either(
                () -> client.normalize(model, values, options),
                () -> async.normalize(model, values, options))
            : either(
                () -> client.denormalize(model, values, options),
                () -> async.denormalize(model, values, options)));
  }

  private ObjectNode inferred(JsonNode arguments, String model, CallOptions options) {
    List<Tensor> inputs = inputs(arguments, model);
    List<String> outputs = names(arguments);
    return inferred(
        either(
            () -> client.infer(model, inputs, outputs, options),
            () -> async.infer(model, inputs, outputs, options)));
  }

  private ObjectNode described(String method, String model, String version) {
    return switch (method) {
      case "model_ready" ->
          Answers.plain(
              either(
                  () -> client.modelReady(model, version),
                  () -> async.modelReady(model, version)));
      case "model_metadata" ->
          Answers.struct(
              either(
                  () -> client.modelMetadata(model, version),
                  () -> async.modelMetadata(model, version)));
      default ->
          Answers.list(
              "model_stats",
              either(
                  () -> client.modelStatistics(model, version),
                  () -> async.modelStatistics(model, version)));
    };
  }

  private ObjectNode server(String method) {
    return switch (method) {
      case "ping" -> Answers.plain(either(client::ping, async::ping));
      case "server_live" -> Answers.plain(either(client::serverLive, async::serverLive));
      case "server_ready" -> Answers.plain(either(client::serverReady, async::serverReady));
      case "server_metadata" ->
          Answers.struct(either(client::serverMetadata, async::serverMetadata));
      default -> throw new IllegalArgumentException("unknown method " + method);
    };
  }

  private <R> R either(Supplier<R> blocking, Supplier<CompletableFuture<R>> future) {
    if (!usesAsync) {
      return blocking.get();
    }
    try {
      return future.get().join();
    } catch (CompletionException failure) {
      throw (RuntimeException) failure.getCause();
    }
  }

  private static ObjectNode plain(double[] values) {
    return Answers.plain(Numbers.list(values));
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
