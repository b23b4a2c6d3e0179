// Receives with the OpenIGTLink library of Debian, and says in JSON lines what it made of it:
// `receiver PORT N_IMAGES`. Ends once it has so many images and one of each other kind.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>

#include "igtlClientSocket.h"
#include "igtlImageMessage.h"
#include "igtlMessageHeader.h"
#include "igtlStatusMessage.h"
#include "igtlStringMessage.h"
#include "igtlTransformMessage.h"

static void print_matrix(const igtl::Matrix4x4& matrix) {
  std::printf("[");
  for (int row = 0; row < 4; row++)
    std::printf("%s[%.9g, %.9g, %.9g, %.9g]", row ? ", " : "", matrix[row][0], matrix[row][1],
                matrix[row][2], matrix[row][3]);
  std::printf("]");
}

// 64 bits of FNV-1a: which voxels came, bit by bit
static unsigned long long digest(const unsigned char* bytes, long n_bytes) {
  unsigned long long sum = 14695981039346656037ULL;
  for (long n = 0; n < n_bytes; n++) sum = (sum ^ bytes[n]) * 1099511628211ULL;
  return sum;
}

static void tell_image(igtl::ImageMessage* image) {
  int size[3];
  float spacing[3];
  igtl::Matrix4x4 matrix;
  image->GetDimensions(size);
  image->GetSpacing(spacing);
  image->GetMatrix(matrix);
  std::printf(", \"scalar\": %d, \"is_ras\": %s, \"size\": [%d, %d, %d], \"spacing\": [%.9g, %.9g, "
              "%.9g], \"digest\": %llu, \"matrix\": ",
              image->GetScalarType(),
              image->GetCoordinateSystem() == igtl::ImageMessage::COORDINATE_RAS ? "true" : "false",
              size[0], size[1], size[2], spacing[0], spacing[1], spacing[2],
              digest(static_cast<unsigned char*>(image->GetScalarPointer()), image->GetImageSize()));
  print_matrix(matrix);
}

template <typename Message>
static typename Message::Pointer receive(igtl::ClientSocket* line, igtl::MessageHeader* header) {
  typename Message::Pointer message = Message::New();
  message->SetMessageHeader(header);
  message->AllocatePack();
  line->Receive(message->GetPackBodyPointer(), message->GetPackBodySize());
  bool is_whole = message->Unpack(1) & igtl::MessageHeader::UNPACK_BODY;  // 1: the sum is checked
  std::printf(", \"is_whole\": %s", is_whole ? "true" : "false");
  return message;
}

int main(int, char** arguments) {
  igtl::ClientSocket::Pointer line = igtl::ClientSocket::New();
  if (line->ConnectToServer("127.0.0.1", std::atoi(arguments[1]))) return 1;
  int n_wanted = std::atoi(arguments[2]);
  std::set<std::string> kinds;
  while (n_wanted > 0 || kinds.size() < 4) {
    igtl::MessageHeader::Pointer header = igtl::MessageHeader::New();
    header->InitPack();
    if (line->Receive(header->GetPackPointer(), header->GetPackSize()) != header->GetPackSize())
      return 2;
    header->Unpack();
    std::string kind = header->GetDeviceType();
    std::printf("{\"kind\": \"%s\", \"device\": \"%s\"", kind.c_str(), header->GetDeviceName());
    if (kind == "IMAGE") {
      tell_image(receive<igtl::ImageMessage>(line, header));
      n_wanted--;
    } else if (kind == "TRANSFORM") {
      igtl::Matrix4x4 matrix;
      receive<igtl::TransformMessage>(line, header)->GetMatrix(matrix);
      std::printf(", \"matrix\": ");
      print_matrix(matrix);
    } else if (kind == "STATUS") {
      igtl::StatusMessage::Pointer status = receive<igtl::StatusMessage>(line, header);
      std::printf(", \"code\": %d, \"sub_code\": %lld, \"name\": \"%s\", \"text\": \"%s\"",
                  status->GetCode(), static_cast<long long>(status->GetSubCode()),
                  status->GetErrorName(), status->GetStatusString());
    } else if (kind == "STRING") {
      igtl::StringMessage::Pointer text = receive<igtl::StringMessage>(line, header);
      std::printf(", \"encoding\": %d, \"text\": \"%s\"", text->GetEncoding(), text->GetString());
    }
    std::printf("}\n");
    kinds.insert(kind);
  }
  return 0;
}
