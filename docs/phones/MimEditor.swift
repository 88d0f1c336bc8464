import CoreGraphics
import Foundation
import LiteRT

/// Edits pictures by captions, as `mim edit` does. Not for several threads at once.
final class MimEditor {
  enum Failure: Error {
    case noKnownWord
    case noPicture
  }

  private struct Metadata: Decodable {
    let size: Int
    let max_words: Int
    let vocabulary: String
  }

  private struct Vocabulary: Decodable {
    let words: [String]
  }

  private let size: Int
  private let tokenizer: Tokenizer
  private let text: CompiledModel
  private let image: CompiledModel

  /// - Parameters:
  ///   - folder: with what `mim export tflite` has written, or a preset's `litert`.
  ///   - useGPU: for the picture's network; captions are read on the CPU.
  init(folder: URL, useGPU: Bool = true) throws {
    func decode<T: Decodable>(_ type: T.Type, _ file: String) throws -> T {
      try JSONDecoder().decode(type, from: Data(contentsOf: folder.appendingPathComponent(file)))
    }
    let metadata = try decode(Metadata.self, "metadata.json")
    let vocabulary = try decode(Vocabulary.self, metadata.vocabulary)
    size = metadata.size
    tokenizer = Tokenizer(words: vocabulary.words, maxWords: metadata.max_words)

    let environment = try Environment()
    let onCPU = try Options()
    try onCPU.setHardwareAccelerators([.cpu])
    let onGPU = try Options()
    try onGPU.setHardwareAccelerators([.gpu, .cpu])
    text = try CompiledModel(
      filePath: folder.appendingPathComponent("text_float16.tflite").path,
      environment: environment, options: onCPU)
    image = try CompiledModel(
      filePath: folder.appendingPathComponent("image_float16.tflite").path,
      environment: environment, options: useGPU ? onGPU : onCPU)
  }

  /// The edit, at the picture's own size; only its largest centred square changes.
  ///
  /// - Parameters:
  ///   - picture: upright. Transparency is laid over white.
  ///   - strength: scales the change: 0 leaves the picture as it is, 1 is the model's own.
  /// - Throws: `Failure`, or LiteRT's errors.
  func edit(_ picture: CGImage, caption: String, strength: Float = 1) throws -> CGImage {
    let tokens = tokenizer.encode(caption)
    guard tokens.contains(where: { $0 > 1 }) else { throw Failure.noKnownWord }
    guard let context = Self.context(width: picture.width, height: picture.height),
      let data = context.data
    else { throw Failure.noPicture }
    let whole = CGRect(x: 0, y: 0, width: picture.width, height: picture.height)
    context.setFillColor(red: 1, green: 1, blue: 1, alpha: 1)
    context.fill(whole)
    context.draw(picture, in: whole)
    let side = min(picture.width, picture.height)
    let left = (picture.width - side) / 2
    let top = (picture.height - side) / 2
    // RGBA bytes, row by row from the top.
    let pixels = data.assumingMemoryBound(to: UInt8.self)
      .advanced(by: top * context.bytesPerRow + left * 4)

    let input = modelInput(pixels, side: side, bytesPerRow: context.bytesPerRow)
    let words = try run(text, ints: ["tokens": tokens])
    guard let texture = words["h_hat"], let mask = words["mask"] else { throw Failure.noPicture }
    let found = try run(image, floats: ["image": input, "h_hat": texture, "mask": mask])
    guard let fine = found["fine"], let alpha = found["alpha"] else { throw Failure.noPicture }
    let change = zip(fine, input).map { ($0 - $1) * halfRange * strength }
    addChange(
      change, alpha: alpha, to: pixels, side: side, bytesPerRow: context.bytesPerRow,
      rowWeights: faded(side: side, start: top, length: picture.height),
      columnWeights: faded(side: side, start: left, length: picture.width))
    guard let result = context.makeImage() else { throw Failure.noPicture }
    return result
  }

  private static func context(width: Int, height: Int) -> CGContext? {
    guard let space = CGColorSpace(name: CGColorSpace.sRGB) else { return nil }
    return CGContext(
      data: nil, width: width, height: height, bitsPerComponent: 8, bytesPerRow: 0, space: space,
      bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
  }

  /// Runs a network on arrays, by the names of its inputs.
  private func run(
    _ model: CompiledModel, floats: [String: [Float]] = [:], ints: [String: [Int32]] = [:]
  ) throws -> [String: [Float]] {
    let inputs = try model.createInputBuffers()
    for (index, buffer) in inputs.enumerated() {
      let name = try model.inputName(inputIndex: index)
      if let values = floats[name] { try buffer.write(values) }
      if let values = ints[name] { try buffer.write(values) }
    }
    let outputs = try model.createOutputBuffers()
    try model.run(inputs: inputs, outputs: outputs)
    var found: [String: [Float]] = [:]
    for (index, buffer) in outputs.enumerated() {
      let values: [Float] = try buffer.read()
      let name = try model.outputName(outputIndex: index)
      found[name] = values
    }
    return found
  }

  /// A square of RGBA bytes as the model sees it: [size, size, 3] in [-1, 1].
  private func modelInput(
    _ pixels: UnsafeMutablePointer<UInt8>, side: Int, bytesPerRow: Int
  ) -> [Float] {
    let taps = spans(from: side, to: size, cubic: false)
    var rows = [Float](repeating: 0, count: side * size * 3)  // resized along x alone
    for row in 0..<side {
      for column in 0..<size {
        let span = taps[column]
        for (tap, weight) in span.weights.enumerated() {
          let at = row * bytesPerRow + (span.start + tap) * 4
          for channel in 0..<3 {
            rows[(row * size + column) * 3 + channel] += weight * Float(pixels[at + channel])
          }
        }
      }
    }
    var result: [Float] = []
    for span in taps { result += combineRows(rows, length: size * 3, span) }
    return result.map { $0 / halfRange - 1 }
  }

  /// Adds the change [size, size, 3], enlarged, to a square of RGBA bytes, where alpha is not 0,
  /// as much of it as the weights leave.
  private func addChange(
    _ change: [Float], alpha: [Float], to pixels: UnsafeMutablePointer<UInt8>, side: Int,
    bytesPerRow: Int, rowWeights: [Float], columnWeights: [Float]
  ) {
    let cubic = spans(from: size, to: side, cubic: true)
    let linear = spans(from: size, to: side, cubic: false)
    let wideChange = widen(change, channels: 3, cubic)
    let wideAlpha = widen(alpha, channels: 1, linear)
    for row in 0..<side {
      let changes = combineRows(wideChange, length: side * 3, cubic[row])
      let alphas = combineRows(wideAlpha, length: side, linear[row])
      for column in 0..<side where alphas[column] >= 1 / 255 {
        let weight = rowWeights[row] * columnWeights[column]
        for channel in 0..<3 {
          let at = row * bytesPerRow + column * 4 + channel
          let level = Float(pixels[at]) + weight * changes[column * 3 + channel]
          pixels[at] = UInt8(min(max(level.rounded(.toNearestOrEven), 0), 255))
        }
      }
    }
  }

  /// [size, size, channels] to [size, taps.count, channels].
  private func widen(_ square: [Float], channels: Int, _ taps: [Span]) -> [Float] {
    var result: [Float] = []
    result.reserveCapacity(size * taps.count * channels)
    for row in 0..<size {
      for span in taps {
        for channel in 0..<channels {
          var sum: Float = 0
          for (tap, weight) in span.weights.enumerated() {
            sum += weight * square[(row * size + span.start + tap) * channels + channel]
          }
          result.append(sum)
        }
      }
    }
    return result
  }
}

private let halfRange: Float = 127.5
private let fadedShare: Float = 0.125  // of the square: how soon a change ends

/// How much of a change is left in each row, or column, of a square that begins at `start`: where
/// the picture goes on beyond the square, the change ends softly.
private func faded(side: Int, start: Int, length: Int) -> [Float] {
  let reach = fadedShare * Float(side)
  return (0..<side).map { place in
    let before = start > 0 ? (Float(place) + 0.5) / reach : 1
    let after = start + side < length ? (Float(side - place) - 0.5) / reach : 1
    return min(1, before, after)
  }
}

/// Which inputs a position of the output averages.
private struct Span {
  let start: Int
  let weights: [Float]
}

/// Bilinear or bicubic (Keys, a = -1/2) resizing with antialiasing, as in `mim_tf/pictures`.
private func spans(from input: Int, to output: Int, cubic: Bool) -> [Span] {
  let radius = cubic ? 2.0 : 1.0
  let scale = Double(input) / Double(output)
  let spread = max(scale, 1)
  return (0..<output).map { position in
    let centre = (Double(position) + 0.5) * scale
    let start = max(0, Int((centre - radius * spread - 0.5).rounded(.up)))
    let end = min(input - 1, Int((centre + radius * spread - 0.5).rounded(.down)))
    let weights = (start...end).map {
      kernel(abs(Double($0) + 0.5 - centre) / spread, cubic: cubic)
    }
    let total = weights.reduce(0, +)
    return Span(start: start, weights: weights.map { Float($0 / total) })
  }
}

private func kernel(_ distance: Double, cubic: Bool) -> Double {
  if !cubic { return max(0, 1 - distance) }
  if distance >= 2 { return 0 }
  if distance >= 1 { return ((-0.5 * distance + 2.5) * distance - 4) * distance + 2 }
  return (1.5 * distance - 2.5) * distance * distance + 1
}

/// The weighted sum of rows.
private func combineRows(_ rows: [Float], length: Int, _ span: Span) -> [Float] {
  var result = [Float](repeating: 0, count: length)
  for (tap, weight) in span.weights.enumerated() {
    let begin = (span.start + tap) * length
    for index in 0..<length { result[index] += weight * rows[begin + index] }
  }
  return result
}
