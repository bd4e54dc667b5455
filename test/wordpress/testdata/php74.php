<?php
/* Fails for what the files of a folder use of PHP beyond 7.4. */
require '/usr/share/php/PhpParser/autoload.php';

use PhpParser\Node;

// Functions that came later, and are not among those that WordPress brings itself.
const LATER = [
    'get_debug_type', 'get_resource_id', 'fdiv', 'preg_last_error_msg', 'array_is_list', 'fsync', 'fdatasync', 'enum_exists',
    'json_validate', 'mb_str_pad', 'array_find', 'array_any', 'array_all', 'mb_trim',
];

class Finder extends PhpParser\NodeVisitorAbstract
{
    public $found = [];

    public function enterNode(Node $node)
    {
        $late = $node instanceof Node\Expr\Match_ || $node instanceof Node\Expr\NullsafePropertyFetch
            || $node instanceof Node\Expr\NullsafeMethodCall || $node instanceof Node\AttributeGroup || $node instanceof Node\UnionType
            || $node instanceof Node\IntersectionType || $node instanceof Node\Stmt\Enum_ || $node instanceof Node\Expr\Throw_
            || $node instanceof Node\VariadicPlaceholder
            || $node instanceof Node\Param && $node->flags !== 0
            || $node instanceof Node\Arg && $node->name !== null
            || $node instanceof Node\Stmt\Property && $node->flags & Node\Stmt\Class_::MODIFIER_READONLY
            || $node instanceof Node\Stmt\Catch_ && $node->var === null
            || $node instanceof Node\Identifier && in_array($node->toLowerString(), ['mixed', 'never'], true)
            || $node instanceof Node\Stmt\ClassMethod && $node->returnType instanceof Node\Name && $node->returnType->toLowerString() === 'static'
            || $node instanceof Node\Expr\ClassConstFetch && $node->class instanceof Node\Expr;
        if ($node instanceof Node\Expr\FuncCall && $node->name instanceof Node\Name && in_array($node->name->toLowerString(), LATER, true)) {
            $late = !isset($this->guarded[$node->name->toLowerString()]);
        }
        if ($late) {
            $this->found[] = $node->getStartLine() . ': ' . $node->getType();
        }
    }

    /** Functions that the file asks function_exists() for. */
    public $guarded = [];
}

$parser = (new PhpParser\ParserFactory())->create(PhpParser\ParserFactory::ONLY_PHP7, new PhpParser\Lexer\Emulative(['phpVersion' => '8.2']));
$failed = false;
$files = 0;
foreach (new RecursiveIteratorIterator(new RecursiveDirectoryIterator($argv[1], FilesystemIterator::SKIP_DOTS)) as $file) {
    if ($file->getExtension() !== 'php') {
        continue;
    }
    $files++;
    $code = file_get_contents((string) $file);
    $finder = new Finder();
    preg_match_all("/function_exists\('(\w+)'\)/", $code, $guards);
    $finder->guarded = array_flip($guards[1]);
    $traverser = new PhpParser\NodeTraverser();
    $traverser->addVisitor($finder);
    $traverser->traverse($parser->parse($code));
    foreach ($finder->found as $line) {
        echo "$file:$line\n";
        $failed = true;
    }
}
echo "$files files\n";
exit($failed || $files < 30 ? 1 : 0);
