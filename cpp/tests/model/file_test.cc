// SPDX-License-Identifier: Apache-2.0
#include "model/file.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "model/model.h"
#include "tests/model/model_files.h"

namespace thriftscore::testing {
namespace {

namespace fs = std::filesystem;

class ModelFileOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "thriftscore-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ / "model.safetensors";
  }
  void TearDown() override { fs::remove_all(folder_); }

  void write(const Bytes& bytes) const {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  static std::string refusal(const fs::path& path) {
    try {
      Model::load_file(path);
    } catch (const ModelError& error) {
      return error.what();
    }
    return "";
  }

  fs::path folder_;
  fs::path path_;
};

TEST_F(ModelFileOnDisk, LoadsAndOutlivesItsFile) {
  write(tiny().build());
  const auto model = Model::load_file(path_);
  fs::resize_file(path_, 0);
  fs::remove(path_);
  const std::array<float, 3> row = {1, 1, 1};
  float score = 0;
  Workspace workspace;
  EXPECT_FALSE(model->score(row.data(), 1, &score, workspace));
  EXPECT_EQ(score, 6.5F);
}

TEST_F(ModelFileOnDisk, NamesThePathOfWhatItRefuses) {
  write(Bytes(3));
  EXPECT_EQ(refusal(path_), path_.string() + ": file: has 3 bytes, expected at least 8");
}

TEST_F(ModelFileOnDisk, RefusesAMissingFile) {
  EXPECT_EQ(refusal(path_), path_.string() + ": cannot open the file: No such file or directory");
}

TEST_F(ModelFileOnDisk, RefusesADirectory) {
  EXPECT_EQ(refusal(folder_), folder_.string() + ": the file is not a regular file");
}

TEST_F(ModelFileOnDisk, RefusesASymbolicLink) {
  write(tiny().build());
  fs::create_symlink(path_, folder_ / "link");
  EXPECT_EQ(refusal(folder_ / "link"),
            (folder_ / "link").string() + ": the file is a symbolic link");
}

TEST_F(ModelFileOnDisk, RefusesAPipeWithoutWaitingForItsWriter) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(refusal(path_), path_.string() + ": the file is not a regular file");
}

TEST_F(ModelFileOnDisk, RefusesADevice) {
  EXPECT_EQ(refusal("/dev/zero"), "/dev/zero: the file is not a regular file");
}

TEST_F(ModelFileOnDisk, RefusesASocket) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path_.c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_NE(refusal(path_).find("cannot open the file"), std::string::npos);
  ::close(socket);
}

TEST_F(ModelFileOnDisk, RefusesATerabyteBeforeReadingIt) {
  write({});
  fs::resize_file(path_, std::uintmax_t{1} << 40);
  EXPECT_EQ(refusal(path_),
            path_.string() + ": the file has 1099511627776 bytes, expected at most 4294967296");
}

TEST_F(ModelFileOnDisk, ReadsAnEmptyFileAsEmpty) {
  write({});
  EXPECT_EQ(read_regular_file(path_, 10).size, 0U);
}

TEST_F(ModelFileOnDisk, ScoresWithTheProgramOfTheReadme) {
  write(tiny().build());
  const std::string command = std::string(THRIFTSCORE_README_EXAMPLE) + " " + path_.string();
  std::FILE* output = ::popen(command.c_str(), "r");
  ASSERT_NE(output, nullptr);
  std::array<char, 64> line{};
  EXPECT_NE(std::fgets(line.data(), line.size(), output), nullptr);
  EXPECT_EQ(::pclose(output), 0);
  EXPECT_STREQ(line.data(), "6.5\n");
}

}  // namespace
}  // namespace thriftscore::testing
