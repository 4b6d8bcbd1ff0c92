// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ModelMetadata;
import io.thriftscore.idl.ModelStatistics;
import io.thriftscore.idl.ServerMetadata;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * The calls of a {@link ThriftscoreClient} as futures.
 *
 * <p>Every future is completed by the call's timeout, with a result or with a {@link
 * ThriftscoreException}; a request that is too large completes it with an {@link
 * IllegalArgumentException}. Cancelling a future gives the call up. Futures are completed by
 * threads of the client, of which there are few: what blocks belongs into another executor, by the
 * {@code Async} methods of {@link CompletableFuture}. Thread-safe.
 */
public final class ThriftscoreAsyncClient {
  private final Requests requests;
  private final AsyncCaller caller;
  private final BatchScorer batches;

  ThriftscoreAsyncClient(Requests requests, AsyncCaller caller, BatchScorer batches) {
    this.requests = requests;
    this.caller = caller;
    this.batches = batches;
  }

  /**
   * Scores one row of float32.
   *
   * @param model the model's name
   * @param row one value for each feature
   * @return one row of scores
   */
  public CompletableFuture<ScoreResult> score(String model, float[] row) {
    return score(model, new FloatMatrix(row, 1, row.length));
  }

  /**
   * Scores one row of float64.
   *
   * @param model the model's name
   * @param row one value for each feature
   * @return one row of scores
   */
  public CompletableFuture<ScoreResult> score(String model, double[] row) {
    return score(model, new DoubleMatrix(row, 1, row.length));
  }

  /**
   * Scores rows of float32.
   *
   * @param model the model's name
   * @param rows rows with one value for each feature
   * @return a row of scores for each row
   */
  public CompletableFuture<ScoreResult> score(String model, float[][] rows) {
    return score(model, new FloatRows(rows));
  }

  /**
   * Scores rows of float64.
   *
   * @param model the model's name
   * @param rows rows with one value for each feature
   * @return a row of scores for each row
   */
  public CompletableFuture<ScoreResult> score(String model, double[][] rows) {
    return score(model, new DoubleRows(rows));
  }

  /**
   * Scores rows.
   *
   * @param model the model's name
   * @param features rows with one value for each feature
   * @return a row of scores for each row
   */
  public CompletableFuture<ScoreResult> score(String model, Matrix features) {
    return score(model, features, CallOptions.DEFAULT);
  }

  /**
   * Scores rows.
   *
   * @param model the model's name
   * @param features rows with one value for each feature
   * @param call version, request id, timeout and trace
   * @return a row of scores for each row
   */
  public CompletableFuture<ScoreResult> score(String model, Matrix features, CallOptions call) {
    return caller.call(requests.score(model, features, call));
  }

  /**
   * Scores rows in compressed sparse row form.
   *
   * @param model the model's name
   * @param rows the rows; absent entries are 0
   * @param call version, request id, timeout and trace
   * @return a row of scores for each row
   */
  public CompletableFuture<ScoreResult> scoreSparse(
      String model, SparseRows rows, CallOptions call) {
    return caller.call(requests.scoreSparse(model, rows, call));
  }

  /**
   * Scores one row with the model's default version.
   *
   * @param model the model's name
   * @param values one value for each feature
   * @return the scores of the row
   */
  public CompletableFuture<double[]> scoreValues(String model, double... values) {
    return caller.call(requests.scoreValues(model, values));
  }

  /**
   * Scores one row, given by feature name, with the model's default version.
   *
   * @param model the model's name
   * @param features values by feature name; a name that is absent is a missing value
   * @return the scores of the row
   */
  public CompletableFuture<double[]> scoreNamed(String model, Map<String, Double> features) {
    return caller.call(requests.scoreNamed(model, features));
  }

  /**
   * Normalises rows: (x - mean) / scale, by column, with the model's normaliser.
   *
   * @param model the model's name
   * @param values rows with one value for each feature
   * @param call version, request id, timeout and trace
   * @return the transformed rows, of the same datatype
   */
  public CompletableFuture<NormalizeResult> normalize(
      String model, Matrix values, CallOptions call) {
    return caller.call(requests.normalize(model, values, call));
  }

  /**
   * Brings normalised rows back: mean + scale * x, by column.
   *
   * @param model the model's name
   * @param values rows with one value for each feature
   * @param call version, request id, timeout and trace
   * @return the transformed rows, of the same datatype
   */
  public CompletableFuture<NormalizeResult> denormalize(
      String model, Matrix values, CallOptions call) {
    return caller.call(requests.denormalize(model, values, call));
  }

  /**
   * Runs a model by the Open Inference Protocol. The call's request id is also the protocol's id.
   *
   * @param model the model's name
   * @param inputs the inputs of the model, each once
   * @param outputs names of the wanted outputs; empty = all
   * @param call version, request id, timeout and trace
   * @return the outputs
   */
  public CompletableFuture<InferResult> infer(
      String model, List<Tensor> inputs, List<String> outputs, CallOptions call) {
    return caller.call(requests.infer(model, inputs, outputs, call));
  }

  /**
   * Asks whether the server takes requests.
   *
   * @return true; a server that starts or drains answers {@link ServerException.Unavailable}
   */
  public CompletableFuture<Boolean> ping() {
    return caller.call(requests.ping());
  }

  /**
   * Asks whether the server's process works at all.
   *
   * @return true if it does
   */
  public CompletableFuture<Boolean> serverLive() {
    return caller.call(requests.serverLive());
  }

  /**
   * Asks whether all configured models are loaded and the server is not draining.
   *
   * @return true if so
   */
  public CompletableFuture<Boolean> serverReady() {
    return caller.call(requests.serverReady());
  }

  /**
   * Asks what the server is.
   *
   * @return name, version, extensions, as in the contract
   */
  public CompletableFuture<ServerMetadata> serverMetadata() {
    return caller.call(requests.serverMetadata());
  }

  /**
   * Asks whether a version of a model is loaded.
   *
   * @param model the model's name
   * @param version number or label; empty = the default version
   * @return true if it is loaded; false if not, or if there is none such
   */
  public CompletableFuture<Boolean> modelReady(String model, String version) {
    return caller.call(requests.modelReady(model, version));
  }

  /**
   * Asks what a version of a model is.
   *
   * @param model the model's name
   * @param version number or label; empty = the default version
   * @return inputs, outputs, features, task and more, as in the contract
   */
  public CompletableFuture<ModelMetadata> modelMetadata(String model, String version) {
    return caller.call(requests.modelMetadata(model, version));
  }

  /**
   * Asks how often and how fast models have scored since they were loaded.
   *
   * @param model the model's name; empty = all models
   * @param version number or label; empty = all versions that are loaded
   * @return one entry for each version, as in the contract
   */
  public CompletableFuture<List<ModelStatistics>> modelStatistics(String model, String version) {
    return caller.call(requests.modelStatistics(model, version));
  }

  /**
   * Scores any number of rows: in chunks that servers take, over all endpoints at the same time,
   * all by the version that scored the first chunk.
   *
   * @param model the model's name
   * @param features rows with one value for each feature
   * @param call version, request id, trace, and the timeout of each chunk
   * @return a row of scores for each row, in the order of the rows
   */
  public CompletableFuture<ScoreResult> scoreBatch(
      String model, Matrix features, CallOptions call) {
    return batches.score(model, features, call);
  }

  /**
   * Scores any number of rows in compressed sparse row form, as {@link #scoreBatch} does those of a
   * matrix. A server that has to make the rows dense limits rows times columns of the model (its
   * option sparse_cells_max): for very many columns, choose {@link ClientOptions#chunkRows()}
   * accordingly.
   *
   * @param model the model's name
   * @param rows the rows; absent entries are 0
   * @param call version, request id, trace, and the timeout of each chunk
   * @return a row of scores for each row, in the order of the rows
   * @throws IllegalArgumentException if indptr does not rise from 0 to the number of values, or if
   *     there are not as many values as indices
   */
  public CompletableFuture<ScoreResult> scoreSparseBatch(
      String model, SparseRows rows, CallOptions call) {
    return batches.scoreSparse(model, rows, call);
  }
}
