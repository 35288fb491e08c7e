"""Training: a solver, and the run around it.

``run.py`` shows a run from top to bottom: begin there. Then, each file using only those before it:

- ``shares.py``: what ``--mix`` says
- ``rates.py``: the learning rate of each iteration
- ``updates.py``: the parameters, and the rules that move them
- ``recipe/``: what a recipe does otherwise than solver and nets say; see its docstring
- ``options.py``: what a run is told, and what it may have beyond the original
- ``fresh.py``: the solver of a family's nets, written for a build
- ``solver_file.py``: the solver's prototxt with its nets
- ``mixing.py``: the several builds that a run trains on
- ``smoothing.py``: the loss as it is displayed
- ``processes.py``: one process or several, and what they say to one another
- ``group.py``: the same through ``torch.distributed``
- ``resumestate.py``: what lies beside a snapshot's files of Caffe's
- ``snapshots.py``: what is written to go on from, and read back
- ``resuming.py``: what goes on where a run is resumed: data, random state
- ``log.py``: the events that a run tells, the log and the table made of them
- ``display.py``: what a solver shows of a batch, and what it says when the loss is no number
- ``extras.py``: averaged weights, loss scale and what else the original has not, at work
- ``save_output.py``: a test's detections in files
- ``written.py``: what solver and nets have written, and where it may be
- ``testing.py``: a test net's scores
- ``solver.py``: the solver: iterations, tests, snapshots, in Caffe's order
- ``preflight/``: all that can be wrong with a run, found before it starts, one subject a file
- ``loop.py``: the embedded engine's run of that solver
- ``caffe/``: a real Caffe's run instead
- ``run_folder.py``: what a run has left, read back; its best snapshot
- ``curves.py``: that as a picture, and for TensorBoard
- ``run.py``: once more, now that all parts are known
- ``tune/``: a search by short runs for what trains a family best
"""
