import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from messages import Acquisition, EncodingCounters, Pose

HEADER = """<?xml version="1.0"?>
<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD">
 <acquisitionSystemInformation>
  <systemVendor>SIEMENS</systemVendor>
  <systemFieldStrength_T>2.89362</systemFieldStrength_T>
  <relativeReceiverNoiseBandwidth>0.793</relativeReceiverNoiseBandwidth>
  <receiverChannels>8</receiverChannels>
 </acquisitionSystemInformation>
 <experimentalConditions>
  <H1resonanceFrequency_Hz>123263034</H1resonanceFrequency_Hz>
 </experimentalConditions>
 <encoding>
  <encodedSpace>
   <matrixSize><x>64</x><y>32</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>400</x><y>200</y><z>4</z></fieldOfView_mm>
  </encodedSpace>
  <reconSpace>
   <matrixSize><x>32</x><y>32</y><z>1</z></matrixSize>
   <fieldOfView_mm><x>200</x><y>200</y><z>4</z></fieldOfView_mm>
  </reconSpace>
  <encodingLimits>
   <kspace_encoding_step_1>
    <minimum>0</minimum><maximum>31</maximum><center>16</center>
   </kspace_encoding_step_1>
   <slice><minimum>0</minimum><maximum>2</maximum><center>1</center></slice>
  </encodingLimits>
  <trajectory>cartesian</trajectory>
 </encoding>
 <sequenceParameters><TR>10</TR><TE>3</TE><TE>7.5</TE></sequenceParameters>
</ismrmrdHeader>
"""


@pytest.fixture
def header_xml() -> bytes:
    return HEADER.encode()


@pytest.fixture
def make_acquisition() -> Callable[..., Acquisition]:
    def make(
        line: int = 0,
        n_coils: int = 2,
        n_samples: int = 64,
        n_dimensions: int = 0,
        ticks: int = 1000,
        flags: int = 0,
    ) -> Acquisition:
        rng = np.random.default_rng(line)
        samples = rng.normal(size=(n_coils, n_samples, 2)).astype(np.float32)
        return Acquisition(
            flags=flags,
            measurement_uid=7,
            scan_counter=line + 1,
            acquisition_time_stamp=ticks,
            physiology_time_stamp=(1, 2, 3),
            discard_pre=1,
            discard_post=2,
            center_sample=n_samples // 2,
            encoding_space_ref=0,
            sample_time_us=2.5,
            pose=Pose((1, 2, 3), (0, 1, 0), (1, 0, 0), (0, 0, -1), (0, 0, -1040.0)),
            idx=EncodingCounters(line, 0, 1, 2, 3, 4, 5, 6, 7),
            samples=samples.view(np.complex64)[..., 0],
            trajectory=rng.normal(size=(n_samples, n_dimensions)).astype(np.float32),
        )

    return make


@pytest.fixture
def real_scans() -> Path:
    root = Path(__file__).parents[3]
    folder = Path(os.environ.get("MRMONITOR_DATA", root.parent / "shared" / "data")) / "mrd"
    if not folder.is_dir():
        pytest.skip(f"no real scans at {folder}; set MRMONITOR_DATA")
    return folder
