"""Does on the wire what `gadgetron_ismrmrd_client` does, where that program is not to be had.

Config name, header, the readouts one by one, CLOSE; then the images, by series, until CLOSE. Only
ismrmrd's own code reads and writes messages here.
"""

import argparse
import socket
import struct
from collections import defaultdict

import h5py
import ismrmrd

CONFIG_FILE, HEADER, CLOSE, TEXT, ACQUISITION, IMAGE = 1, 3, 4, 5, 1008, 1022

parser = argparse.ArgumentParser()
for option in "apfco":
    parser.add_argument(f"-{option}", required=True)
asked = parser.parse_args()
series = defaultdict(list)
with (
    ismrmrd.Dataset(asked.f, "dataset", create_if_needed=False) as scan,
    socket.create_connection((asked.a, int(asked.p)), timeout=20.0) as line,
    line.makefile("rb") as answers,
):
    line.sendall(struct.pack("<H1024s", CONFIG_FILE, asked.c.encode()))
    header = scan.read_xml_header()
    line.sendall(struct.pack("<HI", HEADER, len(header)) + header)
    for number in range(scan.number_of_acquisitions()):
        line.sendall(struct.pack("<H", ACQUISITION))
        scan.read_acquisition(number).serialize_into(line.sendall)
    line.sendall(struct.pack("<H", CLOSE))
    while (identifier := struct.unpack("<H", answers.read(2))[0]) != CLOSE:
        if identifier == IMAGE:
            image = ismrmrd.Image.deserialize_from(answers.read)
            series[image.image_series_index].append(image.data)
        elif identifier == TEXT:
            answers.read(struct.unpack("<I", answers.read(4))[0])
        else:
            raise SystemExit(f"Unknown Message ID: {identifier}")
with h5py.File(asked.o, "w") as out:
    for number, images in series.items():
        out.create_dataset(f"{asked.c}/image_{number}/data", data=images)
