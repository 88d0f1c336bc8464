import Foundation

/// Captions to token ids, as `mim_tf/text.py` makes them.
struct Tokenizer {
  private static let word = try! NSRegularExpression(pattern: "[\\p{L}\\p{N}_]+")
  private let ids: [String: Int32]
  private let maxWords: Int

  init(words: [String], maxWords: Int) {
    let pairs = words.enumerated().map { ($0.element, Int32($0.offset + 2)) }
    ids = Dictionary(pairs, uniquingKeysWith: { first, _ in first })
    self.maxWords = maxWords
  }

  /// Runs of letters, digits and underscores, in lower case.
  func words(_ caption: String) -> [String] {
    let text = caption.replacingOccurrences(of: "\u{FFFD}", with: " ").lowercased()
    let whole = NSRange(location: 0, length: (text as NSString).length)
    return Self.word.matches(in: text, range: whole).map {
      (text as NSString).substring(with: $0.range)
    }
  }

  /// `maxWords` ids: 0 pads, 1 is every unknown word, the vocabulary's first word is 2.
  func encode(_ caption: String) -> [Int32] {
    let found = words(caption).prefix(maxWords).map { ids[$0] ?? 1 }
    return found + [Int32](repeating: 0, count: maxWords - found.count)
  }
}
