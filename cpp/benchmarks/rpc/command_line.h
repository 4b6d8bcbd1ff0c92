// SPDX-License-Identifier: Apache-2.0
// The options of the benchmark programs: each is bound to a variable and says its range.
#pragma once

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace thriftscore::benchmarks {

/// The command line is wrong; the program exits with status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Inclusive.
template <typename T>
struct Range {
  T min;
  T max;
};

/// Options of the form `--name value`, `--name=value` and, for flags, `--name`.
/// The variables that options are bound to must outlive it; they hold the defaults.
class CommandLine {
 public:
  /// `purpose` is one sentence for --help.
  CommandLine(std::string program, std::string purpose);

  void flag(std::string_view name, bool& value, std::string_view help);
  void text(std::string_view name, std::string& value, std::string_view help);
  /// May come more than once.
  void texts(std::string_view name, std::vector<std::string>& values, std::string_view help);
  void count(std::string_view name, std::size_t& value, Range<std::size_t> range,
             std::string_view help);
  void integer(std::string_view name, int& value, Range<int> range, std::string_view help);
  void real(std::string_view name, double& value, Range<double> range, std::string_view help);

  /// One of `choices`, by its name.
  template <typename T>
  void choice(std::string_view name, T& value,
              std::initializer_list<std::pair<std::string_view, T>> choices,
              std::string_view help) {
    std::vector<std::pair<std::string_view, T>> known(choices);
    std::string names;
    for (const auto& [text, meaning] : known) names.append(names.empty() ? "" : "|").append(text);
    add(name, names, help, [name, &value, known = std::move(known), names](std::string_view text) {
      for (const auto& [candidate, meaning] : known) {
        if (candidate == text) return static_cast<void>(value = meaning);
      }
      refuse(name, names, text);
    });
  }

  /// Sets the variables. False: --help was asked for and has been printed. Throws UsageError.
  [[nodiscard]] bool parse(std::span<const char* const> arguments) const;

 private:
  struct Option {
    std::string name;
    std::string expected;  ///< of the value; empty for a flag
    std::string help;
    std::function<void(std::string_view)> set;
  };

  void add(std::string_view name, std::string expected, std::string_view help,
           std::function<void(std::string_view)> set);
  [[noreturn]] static void refuse(std::string_view name, std::string_view expected,
                                  std::string_view received);
  [[nodiscard]] const Option& find(std::string_view name) const;
  void print_help() const;

  template <typename T>
  void number(std::string_view name, T& value, Range<T> range, std::string_view help);

  std::string program_;
  std::string purpose_;
  std::vector<Option> options_;
};

/// What main() returns: the status of `run`, or 2 or 1 for a UsageError or another exception, which
/// is told in one line on standard error.
int run_program(int count, char** values,
                const std::function<int(std::span<const char* const>)>& run) noexcept;

}  // namespace thriftscore::benchmarks
