// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.InferRequest;
import io.thriftscore.idl.InferRequestedOutput;
import io.thriftscore.idl.ModelMetadata;
import io.thriftscore.idl.ModelStatistics;
import io.thriftscore.idl.NormalizeRequest;
import io.thriftscore.idl.RequestContext;
import io.thriftscore.idl.ScoreRequest;
import io.thriftscore.idl.ScoringService;
import io.thriftscore.idl.ServerMetadata;
import io.thriftscore.idl.SparseScoreRequest;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import org.apache.thrift.TBase;

/**
 * Scores models on one thriftscore server.
 *
 * <p>Thread-safe. A client has one connection and makes one call at a time; a thread that waits for
 * another's call waits within its own timeout. Use one client per thread where calls should run at
 * the same time.
 *
 * <p>Every call ends within its timeout, with a result or with a {@link ThriftscoreException}: a
 * {@link ServerException} if the server refused it, a {@link TransportException} if no valid answer
 * came. After a {@code TransportException} the connection is closed and the next call connects
 * anew, so that a late reply never reaches another call. A request that is larger than {@link
 * ClientOptions#frameBytesMax()} is an {@link IllegalArgumentException}, a call on a closed client
 * an {@link IllegalStateException}.
 */
public final class ThriftscoreClient implements AutoCloseable {
  private final Session session;
  private final ClientOptions options;

  private ThriftscoreClient(Endpoint endpoint, ClientOptions options) {
    this.session = new Session(endpoint, options);
    this.options = options;
  }

  /**
   * Connects with the default options.
   *
   * @param endpoint host:port, such as 127.0.0.1:9090
   * @return a connected client
   * @throws TransportException.ConnectFailed if no connection could be made
   */
  public static ThriftscoreClient connect(String endpoint) {
    return connect(endpoint, ClientOptions.DEFAULT);
  }

  /**
   * Connects.
   *
   * @param endpoint host:port, such as 127.0.0.1:9090
   * @param options how to talk to the server
   * @return a connected client
   * @throws TransportException.ConnectFailed if no connection could be made
   */
  public static ThriftscoreClient connect(String endpoint, ClientOptions options) {
    ThriftscoreClient client = new ThriftscoreClient(Endpoint.parse(endpoint), options);
    client.session.connect();
    return client;
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
    return score(model, Matrix.of(rows));
  }

  /**
   * Scores rows of float64.
   *
   * @param model the model's name
   * @param rows rows with one value for each feature
   * @return a row of scores for each row
   */
  public ScoreResult score(String model, double[][] rows) {
    return score(model, Matrix.of(rows));
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
    ScoreRequest request =
        new ScoreRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setFeatures(LittleEndian.pack(features))
            .setDatatype(features.datatype());
    if (features.rows() > 0) {
      request.setColumns(features.columns());
    }
    return session.call(
        call("score", model, call, deadline ->
            new ScoringService.score_args(request.setContext(context(call, deadline)))),
        new ScoringService.score_result(),
        reply -> Replies.scores(reply.getSuccess(), features.rows(), call.requestId()));
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
    SparseScoreRequest request =
        new SparseScoreRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setIndptr(LittleEndian.pack(rows.indptr()))
            .setIndices(LittleEndian.pack(rows.indices()))
            .setValues(LittleEndian.pack(rows.values()))
            .setDatatype(rows.values().datatype());
    return session.call(
        call("score_sparse", model, call, deadline ->
            new ScoringService.score_sparse_args(request.setContext(context(call, deadline)))),
        new ScoringService.score_sparse_result(),
        reply -> Replies.scores(reply.getSuccess(), rows.rows(), call.requestId()));
  }

  /**
   * Scores one row with the model's default version.
   *
   * @param model the model's name
   * @param values one value for each feature
   * @return the scores of the row
   */
  public double[] scoreValues(String model, double... values) {
    List<Double> list = Arrays.stream(values).boxed().toList();
    return session.call(
        call("score_values", model, deadline ->
            new ScoringService.score_values_args(model, list)),
        new ScoringService.score_values_result(),
        reply -> Replies.values(reply.getSuccess()));
  }

  /**
   * Scores one row, given by feature name, with the model's default version.
   *
   * @param model the model's name
   * @param features values by feature name; a name that is absent is a missing value
   * @return the scores of the row
   */
  public double[] scoreNamed(String model, Map<String, Double> features) {
    return session.call(
        call("score_named", model, deadline ->
            new ScoringService.score_named_args(model, features)),
        new ScoringService.score_named_result(),
        reply -> Replies.values(reply.getSuccess()));
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
    NormalizeRequest request = normalizeRequest(model, values, call);
    return session.call(
        call("normalize", model, call, deadline ->
            new ScoringService.normalize_args(request.setContext(context(call, deadline)))),
        new ScoringService.normalize_result(),
        reply -> Replies.normalized(reply.getSuccess(), values, call.requestId()));
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
    NormalizeRequest request = normalizeRequest(model, values, call);
    return session.call(
        call("denormalize", model, call, deadline ->
            new ScoringService.denormalize_args(request.setContext(context(call, deadline)))),
        new ScoringService.denormalize_result(),
        reply -> Replies.normalized(reply.getSuccess(), values, call.requestId()));
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
    InferRequest request =
        new InferRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setInputs(inputs.stream().map(ThriftscoreClient::wireTensor).toList());
    if (!call.requestId().isEmpty()) {
      request.setId(call.requestId());
    }
    if (!outputs.isEmpty()) {
      request.setOutputs(
          outputs.stream().map(name -> new InferRequestedOutput().setName(name)).toList());
    }
    return session.call(
        call("infer", model, call, deadline ->
            new ScoringService.infer_args(request.setContext(context(call, deadline)))),
        new ScoringService.infer_result(),
        reply -> Replies.inferred(reply.getSuccess(), call.requestId()));
  }

  /**
   * Asks whether the server takes requests.
   *
   * @return true; a server that starts or drains answers {@link ServerException.Unavailable}
   */
  public boolean ping() {
    return session.call(
        call("ping", "", deadline -> new ScoringService.ping_args()),
        new ScoringService.ping_result(),
        ScoringService.ping_result::isSuccess);
  }

  /**
   * Asks whether the server's process works at all.
   *
   * @return true if it does
   */
  public boolean serverLive() {
    return session.call(
        call("server_live", "", deadline -> new ScoringService.server_live_args()),
        new ScoringService.server_live_result(),
        ScoringService.server_live_result::isSuccess);
  }

  /**
   * Asks whether all configured models are loaded and the server is not draining.
   *
   * @return true if so
   */
  public boolean serverReady() {
    return session.call(
        call("server_ready", "", deadline -> new ScoringService.server_ready_args()),
        new ScoringService.server_ready_result(),
        ScoringService.server_ready_result::isSuccess);
  }

  /**
   * Asks what the server is.
   *
   * @return name, version, extensions, as in the contract
   */
  public ServerMetadata serverMetadata() {
    return session.call(
        call("server_metadata", "", deadline -> new ScoringService.server_metadata_args()),
        new ScoringService.server_metadata_result(),
        ScoringService.server_metadata_result::getSuccess);
  }

  /**
   * Asks whether a version of a model is loaded.
   *
   * @param model the model's name
   * @param version number or label; empty = the default version
   * @return true if it is loaded; false if not, or if there is none such
   */
  public boolean modelReady(String model, String version) {
    return session.call(
        call("model_ready", model, deadline ->
            new ScoringService.model_ready_args(model, version)),
        new ScoringService.model_ready_result(),
        ScoringService.model_ready_result::isSuccess);
  }

  /**
   * Asks what a version of a model is.
   *
   * @param model the model's name
   * @param version number or label; empty = the default version
   * @return inputs, outputs, features, task and more, as in the contract
   */
  public ModelMetadata modelMetadata(String model, String version) {
    return session.call(
        call("model_metadata", model, deadline ->
            new ScoringService.model_metadata_args(model, version)),
        new ScoringService.model_metadata_result(),
        ScoringService.model_metadata_result::getSuccess);
  }

  /**
   * Asks how often and how fast models have scored since they were loaded.
   *
   * @param model the model's name; empty = all models
   * @param version number or label; empty = all versions that are loaded
   * @return one entry for each version, as in the contract
   */
  public List<ModelStatistics> modelStatistics(String model, String version) {
    return session.call(
        call("model_statistics", model, deadline ->
            new ScoringService.model_statistics_args(model, version)),
        new ScoringService.model_statistics_result(),
        reply -> reply.getSuccess().getModel_stats());
  }

  /** Waits for the call in progress, then closes the connection. Closing again does nothing. */
  @Override
  public void close() {
    session.close();
  }

  private Call call(
      String method, String model, Function<Deadline, TBase<?, ?>> arguments) {
    return call(method, model, CallOptions.DEFAULT, arguments);
  }

  private Call call(
      String method,
      String model,
      CallOptions call,
      Function<Deadline, TBase<?, ?>> arguments) {
    Objects.requireNonNull(model, "model");
    Duration timeout = call.timeout().isZero() ? options.timeout() : call.timeout();
    return new Call(method, model, timeout, arguments);
  }

  private RequestContext context(CallOptions call, Deadline deadline) {
    RequestContext context = new RequestContext().setDeadline_ms(deadline.remainingMillis());
    if (!call.requestId().isEmpty()) {
      context.setRequest_id(call.requestId());
    }
    if (!call.traceparent().isEmpty()) {
      context.setTraceparent(call.traceparent());
    }
    if (!options.authToken().isEmpty()) {
      context.setAuth_token(options.authToken());
    }
    return context;
  }

  private static NormalizeRequest normalizeRequest(
      String model, Matrix values, CallOptions call) {
    NormalizeRequest request =
        new NormalizeRequest()
            .setModel_name(model)
            .setModel_version(call.version())
            .setValues(LittleEndian.pack(values))
            .setDatatype(values.datatype());
    return values.rows() > 0 ? request.setColumns(values.columns()) : request;
  }

  private static io.thriftscore.idl.Tensor wireTensor(Tensor tensor) {
    return new io.thriftscore.idl.Tensor()
        .setName(tensor.name())
        .setDatatype(tensor.datatype())
        .setShape(Arrays.stream(tensor.shape()).boxed().toList())
        .setData(tensor.data());
  }
}
