"""Pascal VOC's scores, the SSD branch's and the devkit's."""
