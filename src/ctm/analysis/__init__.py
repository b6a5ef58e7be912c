"""Pictures of what a machine does; they work on the thoughts of any model. Needs the extra `figures`.

Stills are matplotlib figures (`.savefig(path)`); animations are frames for `video.save_animation(frames, path)`.

    curves      training_curves
    comparison  comparison_report, comparison_picture: several models, means over seeds
    over_ticks  OverTicks, accuracy_over_ticks, certainty_over_ticks: a whole data set, in one pass
    when_certain  when_certain, most_certain_side_by_side
    calibration  Calibration, calibration_over_ticks, calibration_side_by_side
    halting     halting_picture
    neurons     neuron_traces, neuron_traces_side_by_side
    similarity  similarity_across_data, similarity_across_neurons, dead, similarity_picture
    neuron_map  neuron_map, neuron_map_picture, neuron_map_frames: by UMAP
    looking     looking, looking_frames: attention over a picture
    parity      parity_picture, parity_frames, accuracy_by_position
    sort        sorting_picture, sorting_frames, waits_picture, generalization, generalization_picture
    mazes       maze_picture, maze_frames
    journeys    journeys_picture, journey_picture: larger mazes, by re-application
    by_length   score_by_length
"""
