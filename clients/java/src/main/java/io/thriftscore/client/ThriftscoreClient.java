// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.ModelMetadata;
import io.thriftscore.idl.ModelStatistics;
import io.thriftscore.idl.ServerMetadata;
import java.util.List;
import java.util.Map;

/**
 * Scores models on thriftscore servers.
 *
 * <p>Thread-safe: share one client among all threads. Calls are spread over the endpoints and share
 * a few connections to each; {@link #async()} gives the same calls as futures, over the same
 * connections.
 *
 * <p>Every call ends within its timeout, with a result or with a {@link ThriftscoreException}: a
 * {@link ServerException} if the server refused it, a {@link TransportException} if no valid answer
 * came. All calls only read, so within its timeout a call that failed is tried again where that may
 * help: after a connection failed or was lost, and where the server says so. A reply reaches the
 * call it is for or none. A request that is larger than {@link ClientOptions#frameBytesMax()} is an
 * {@link IllegalArgumentException}, a call on a closed client an {@link IllegalStateException}.
 */
public final class ThriftscoreClient implements AutoCloseable {
  private final ClientState state;
  private final Requests requests;
  private final ThriftscoreAsyncClient async;
  private final BlockingCaller caller;

  private ThriftscoreClient(ClientState state) {
    this.state = state;
    this.requests = state.requests;
    AsyncCaller asyncCaller = new AsyncCaller(state);
    this.async = new ThriftscoreAsyncClient(requests, asyncCaller, new BatchScorer(state));
    this.caller = new BlockingCaller(state, asyncCaller);
  }

  /**
   * Connects with the default options.
   *
   * @param endpoints host:port, such as 127.0.0.1:9090, or unix:/path; several are separated by
   *     commas
   * @return a connected client
   * @throws TransportException.ConnectFailed if no connection could be made
   */
  public static ThriftscoreClient connect(String endpoints) {
    return connect(endpoints, ClientOptions.DEFAULT);
  }

  /**
   * Connects.
   *
   * @param endpoints host:port, such as 127.0.0.1:9090, or unix:/path; several are separated by
   *     commas
   * @param options how to talk to the servers
   * @return a connected client
   * @throws TransportException.ConnectFailed if no connection could be made
   */
  public static ThriftscoreClient connect(String endpoints, ClientOptions options) {
    return connect(List.of(endpoints), options);
  }

  /**
   * Connects to the first endpoint that answers; to the others when calls need them.
   *
   * @param endpoints each host:port, such as 127.0.0.1:9090, or unix:/path; a host name stands for
   *     all its addresses
   * @param options how to talk to the servers
   * @return a connected client
   * @throws TransportException.ConnectFailed if no connection could be made
   */
  public static ThriftscoreClient connect(List<String> endpoints, ClientOptions options) {
    return connect(endpoints, options, Endpoint::resolve);
  }

  static ThriftscoreClient connect(
      List<String> endpoints, ClientOptions options, Directory.Resolver resolver) {
    ThriftscoreClient client = create(endpoints, options, resolver);
    try {
      client.state.connect();
      return client;
    } catch (RuntimeException failure) {
      client.close();
      throw failure;
    }
  }

  /**
   * Makes a client that connects only when calls need it, for servers that may not be there yet.
   *
   * @param endpoints as in {@link #connect(List, ClientOptions)}
   * @param options how to talk to the servers
   * @return a client
   */
  public static ThriftscoreClient create(List<String> endpoints, ClientOptions options) {
    return create(endpoints, options, Endpoint::resolve);
  }

  private static ThriftscoreClient create(
      List<String> endpoints, ClientOptions options, Directory.Resolver resolver) {
    return new ThriftscoreClient(
        new ClientState(Endpoint.parseAll(endpoints), options, resolver));
  }

  /**
   * The same calls as futures, over the same connections.
   *
   * @return a view that is closed with this client
   */
  public ThriftscoreAsyncClient async() {
    return async;
  }

  /**
   * Scores one row of float32.
   *
   * @param model the model's name
   * @param row one value for each feature
   * @return one row of scores
   */
  public ScoreResult score(String model, float[] row) {
    return score(model, new FloatMatrix(row, 1, row.length));
  }

  /**
   * Scores one row of float64.
   *
   * @param model the model's name
   * @param row one value for each feature
   * @return one row of scores
   */
  public ScoreResult score(String model, double[] row) {
    return score(model, new DoubleMatrix(row, 1, row.length));
  }

  /**
   * Scores rows of float32.
   *
   * @param model the model's name
   * @param rows rows with one value for each feature
   * @return a row of scores for each row
   */
  public ScoreResult score(String model, float[][] rows) {
    return score(model, new FloatRows(rows));
  }

  /**
   * Scores rows of float64.
   *
   * @param model the model's name
   * @param rows rows with one value for each feature
   * @return a row of scores for each row
   */
  public ScoreResult score(String model, double[][] rows) {
    return score(model, new DoubleRows(rows));
  }

  /**
   * Scores rows.
   *
   * @param model the model's name
   * @param features rows with one value for each feature
   * @return a row of scores for each row
   */
  public ScoreResult score(String model, Matrix features) {
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
  public ScoreResult score(String model, Matrix features, CallOptions call) {
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
  public ScoreResult scoreSparse(String model, SparseRows rows, CallOptions call) {
    return caller.call(requests.scoreSparse(model, rows, call));
  }

  /**
   * Scores one row with the model's default version.
   *
   * @param model the model's name
   * @param values one value for each feature
   * @return the scores of the row
   */
  public double[] scoreValues(String model, double... values) {
    return caller.call(requests.scoreValues(model, values));
  }

  /**
   * Scores one row, given by feature name, with the model's default version.
   *
   * @param model the model's name
   * @param features values by feature name; a name that is absent is a missing value
   * @return the scores of the row
   */
  public double[] scoreNamed(String model, Map<String, Double> features) {
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
  public NormalizeResult normalize(String model, Matrix values, CallOptions call) {
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
  public NormalizeResult denormalize(String model, Matrix values, CallOptions call) {
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
  public InferResult infer(
      String model, List<Tensor> inputs, List<String> outputs, CallOptions call) {
    return caller.call(requests.infer(model, inputs, outputs, call));
  }

  /**
   * Asks whether the server takes requests.
   *
   * @return true; a server that starts or drains answers {@link ServerException.Unavailable}
   */
  public boolean ping() {
    return caller.call(requests.ping());
  }

  /**
   * Asks whether the server's process works at all.
   *
   * @return true if it does
   */
  public boolean serverLive() {
    return caller.call(requests.serverLive());
  }

  /**
   * Asks whether all configured models are loaded and the server is not draining.
   *
   * @return true if so
   */
  public boolean serverReady() {
    return caller.call(requests.serverReady());
  }

  /**
   * Asks what the server is.
   *
   * @return name, version, extensions, as in the contract
   */
  public ServerMetadata serverMetadata() {
    return caller.call(requests.serverMetadata());
  }

  /**
   * Asks whether a version of a model is loaded.
   *
   * @param model the model's name
   * @param version number or label; empty = the default version
   * @return true if it is loaded; false if not, or if there is none such
   */
  public boolean modelReady(String model, String version) {
    return caller.call(requests.modelReady(model, version));
  }

  /**
   * Asks what a version of a model is.
   *
   * @param model the model's name
   * @param version number or label; empty = the default version
   * @return inputs, outputs, features, task and more, as in the contract
   */
  public ModelMetadata modelMetadata(String model, String version) {
    return caller.call(requests.modelMetadata(model, version));
  }

  /**
   * Asks how often and how fast models have scored since they were loaded.
   *
   * @param model the model's name; empty = all models
   * @param version number or label; empty = all versions that are loaded
   * @return one entry for each version, as in the contract
   */
  public List<ModelStatistics> modelStatistics(String model, String version) {
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
  public ScoreResult scoreBatch(String model, Matrix features, CallOptions call) {
    return BlockingCaller.join("score", model, async.scoreBatch(model, features, call));
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
  public ScoreResult scoreSparseBatch(String model, SparseRows rows, CallOptions call) {
    return BlockingCaller.join("score_sparse", model, async.scoreSparseBatch(model, rows, call));
  }

  /**
   * Takes no more calls, waits for those in progress, which end by their timeouts, and closes the
   * connections. Closing again does nothing.
   */
  @Override
  public void close() {
    state.close();
  }
}
