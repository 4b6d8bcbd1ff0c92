// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/command_line.h"

#include <charconv>
#include <iostream>
#include <sstream>

namespace thriftscore::benchmarks {
namespace {

template <typename T>
std::string text_of(T value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

}  // namespace

CommandLine::CommandLine(std::string program, std::string purpose)
    : program_(std::move(program)), purpose_(std::move(purpose)) {}

void CommandLine::flag(std::string_view name, bool& value, std::string_view help) {
  add(name, "", help, [&value](std::string_view /*none*/) { value = true; });
}

void CommandLine::text(std::string_view name, std::string& value, std::string_view help) {
  add(name, "text", help, [&value](std::string_view text) { value = text; });
}

void CommandLine::texts(std::string_view name, std::vector<std::string>& values,
                        std::string_view help) {
  add(name, "text", help, [&values](std::string_view text) { values.emplace_back(text); });
}

void CommandLine::count(std::string_view name, std::size_t& value, Range<std::size_t> range,
                        std::string_view help) {
  number(name, value, range, help);
}

void CommandLine::integer(std::string_view name, int& value, Range<int> range,
                          std::string_view help) {
  number(name, value, range, help);
}

void CommandLine::real(std::string_view name, double& value, Range<double> range,
                       std::string_view help) {
  number(name, value, range, help);
}

template <typename T>
void CommandLine::number(std::string_view name, T& value, Range<T> range, std::string_view help) {
  const std::string expected = text_of(range.min) + " to " + text_of(range.max);
  add(name, expected, help, [name, &value, range, expected](std::string_view text) {
    T parsed{};
    const char* const end = text.data() + text.size();
    const auto result = std::from_chars(text.data(), end, parsed);
    const bool is_number = result.ec == std::errc{} && result.ptr == end;
    // Written so that a NaN is refused.
    if (!is_number || !(parsed >= range.min && parsed <= range.max)) refuse(name, expected, text);
    value = parsed;
  });
}

void CommandLine::add(std::string_view name, std::string expected, std::string_view help,
                      std::function<void(std::string_view)> set) {
  options_.push_back({std::string(name), std::move(expected), std::string(help), std::move(set)});
}

void CommandLine::refuse(std::string_view name, std::string_view expected,
                         std::string_view received) {
  throw UsageError(std::string(name) + ": expected " + std::string(expected) + ", received '" +
                   std::string(received) + "'");
}

const CommandLine::Option& CommandLine::find(std::string_view name) const {
  for (const Option& option : options_) {
    if (option.name == name) return option;
  }
  throw UsageError("no such option: '" + std::string(name) + "'; --help lists them");
}

bool CommandLine::parse(std::span<const char* const> arguments) const {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      print_help();
      return false;
    }
    const std::size_t equals = argument.find('=');
    const bool has_value = equals != std::string_view::npos;
    const Option& option = find(argument.substr(0, equals));
    const bool wants_value = !option.expected.empty();
    if (!wants_value && has_value) throw UsageError(option.name + " takes no value");
    if (wants_value && !has_value && ++i == arguments.size()) {
      throw UsageError(option.name + ": expected a value, received none");
    }
    option.set(has_value ? argument.substr(equals + 1) : std::string_view(arguments[i]));
  }
  return true;
}

void CommandLine::print_help() const {
  std::cout << "usage: " << program_ << " [options]\n" << purpose_ << "\n\n";
  for (const Option& option : options_) {
    std::cout << "  " << option.name << (option.expected.empty() ? "" : " ") << option.expected
              << "\n      " << option.help << '\n';
  }
}

int run_program(int count, char** values,
                const std::function<int(std::span<const char* const>)>& run) noexcept {
  try {
    return run({values + 1, static_cast<std::size_t>(count - 1)});
  } catch (const UsageError& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 1;
  }
}

}  // namespace thriftscore::benchmarks
